"""The texts that an examination embeds, and the published scores that a known model has to reach."""

from collections.abc import Mapping
from dataclasses import dataclass

# Six sentences about six matters, each in fifteen languages. Written for this purpose, in everyday words, so that
# a model which knows a language at all can tell them apart in it.
SENTENCES: Mapping[str, tuple[str, ...]] = {
    "en": (
        "How do I reset my password?",
        "The train to the airport leaves at eight in the morning.",
        "Wash your hands with soap before you eat.",
        "The invoice must be paid within thirty days.",
        "It will rain heavily in the mountains tomorrow.",
        "The dog sleeps under the kitchen table.",
    ),
    "zh": (
        "如何重置我的密码？",
        "去机场的火车早上八点出发。",
        "吃饭前请用肥皂洗手。",
        "发票必须在三十天内付款。",
        "明天山区将有大雨。",
        "狗睡在厨房的桌子下面。",
    ),
    "ja": (
        "パスワードをリセットするにはどうすればいいですか？",
        "空港行きの電車は朝八時に出発します。",
        "食べる前に石鹸で手を洗ってください。",
        "請求書は三十日以内に支払わなければなりません。",
        "明日、山では大雨が降るでしょう。",
        "犬は台所のテーブルの下で眠っています。",
    ),
    "ko": (
        "비밀번호를 어떻게 재설정하나요?",
        "공항으로 가는 기차는 아침 여덟 시에 출발합니다.",
        "먹기 전에 비누로 손을 씻으세요.",
        "청구서는 삼십 일 이내에 지불해야 합니다.",
        "내일 산에 비가 많이 올 것입니다.",
        "개가 부엌 식탁 아래에서 잡니다.",
    ),
    "de": (
        "Wie setze ich mein Passwort zurück?",
        "Der Zug zum Flughafen fährt um acht Uhr morgens ab.",
        "Wasche dir die Hände mit Seife, bevor du isst.",
        "Die Rechnung muss innerhalb von dreißig Tagen bezahlt werden.",
        "Morgen wird es in den Bergen stark regnen.",
        "Der Hund schläft unter dem Küchentisch.",
    ),
    "fr": (
        "Comment réinitialiser mon mot de passe ?",
        "Le train pour l'aéroport part à huit heures du matin.",
        "Lavez-vous les mains avec du savon avant de manger.",
        "La facture doit être payée dans les trente jours.",
        "Demain, il pleuvra beaucoup en montagne.",
        "Le chien dort sous la table de la cuisine.",
    ),
    "es": (
        "¿Cómo restablezco mi contraseña?",
        "El tren al aeropuerto sale a las ocho de la mañana.",
        "Lávate las manos con jabón antes de comer.",
        "La factura debe pagarse en un plazo de treinta días.",
        "Mañana lloverá mucho en las montañas.",
        "El perro duerme debajo de la mesa de la cocina.",
    ),
    "ru": (
        "Как сбросить мой пароль?",
        "Поезд в аэропорт отправляется в восемь утра.",
        "Мойте руки с мылом перед едой.",
        "Счёт должен быть оплачен в течение тридцати дней.",
        "Завтра в горах будет сильный дождь.",
        "Собака спит под кухонным столом.",
    ),
    "ar": (
        "كيف أعيد تعيين كلمة المرور الخاصة بي؟",
        "يغادر القطار إلى المطار في الساعة الثامنة صباحا.",
        "اغسل يديك بالصابون قبل أن تأكل.",
        "يجب دفع الفاتورة خلال ثلاثين يوما.",
        "ستمطر بغزارة في الجبال غدا.",
        "ينام الكلب تحت طاولة المطبخ.",
    ),
    "hi": (
        "मैं अपना पासवर्ड कैसे रीसेट करूँ?",
        "हवाई अड्डे की ट्रेन सुबह आठ बजे निकलती है।",
        "खाने से पहले साबुन से अपने हाथ धोएँ।",
        "बिल का भुगतान तीस दिनों के भीतर करना होगा।",
        "कल पहाड़ों में भारी बारिश होगी।",
        "कुत्ता रसोई की मेज़ के नीचे सोता है।",
    ),
    "th": (
        "ฉันจะรีเซ็ตรหัสผ่านได้อย่างไร",
        "รถไฟไปสนามบินออกเวลาแปดโมงเช้า",
        "ล้างมือด้วยสบู่ก่อนกินอาหาร",
        "ต้องชำระใบแจ้งหนี้ภายในสามสิบวัน",
        "พรุ่งนี้ฝนจะตกหนักบนภูเขา",
        "สุนัขนอนอยู่ใต้โต๊ะในครัว",
    ),
    "tr": (
        "Şifremi nasıl sıfırlarım?",
        "Havaalanına giden tren sabah saat sekizde kalkıyor.",
        "Yemekten önce ellerini sabunla yıka.",
        "Fatura otuz gün içinde ödenmelidir.",
        "Yarın dağlarda şiddetli yağmur yağacak.",
        "Köpek mutfak masasının altında uyuyor.",
    ),
    "fa": (
        "چگونه رمز عبور خود را بازنشانی کنم؟",
        "قطار فرودگاه ساعت هشت صبح حرکت می‌کند.",
        "قبل از غذا خوردن دست‌های خود را با صابون بشویید.",
        "فاکتور باید ظرف سی روز پرداخت شود.",
        "فردا در کوهستان باران شدیدی خواهد بارید.",
        "سگ زیر میز آشپزخانه می‌خوابد.",
    ),
    "he": (
        "איך אני מאפס את הסיסמה שלי?",
        "הרכבת לשדה התעופה יוצאת בשמונה בבוקר.",
        "שטוף ידיים עם סבון לפני שאתה אוכל.",
        "יש לשלם את החשבונית בתוך שלושים יום.",
        "מחר ירד גשם כבד בהרים.",
        "הכלב ישן מתחת לשולחן המטבח.",
    ),
    "sw": (
        "Ninawezaje kuweka upya nenosiri langu?",
        "Treni ya kwenda uwanja wa ndege inaondoka saa mbili asubuhi.",
        "Osha mikono yako kwa sabuni kabla ya kula.",
        "Ankara lazima ilipwe ndani ya siku thelathini.",
        "Kesho mvua kubwa itanyesha milimani.",
        "Mbwa analala chini ya meza ya jikoni.",
    ),
}

# Pairs of the same language: a model has to put each near pair above each far one.
NEAR_PAIRS = (
    ("How do I reset my password?", "What can I do if I forgot my password?"),
    ("The shop opens at nine o'clock.", "The store opens at 9 a.m."),
    ("The battery lasts ten hours.", "You can use it for ten hours before charging the battery."),
    ("如何重置密码？", "忘记密码了怎么办？"),
    ("这家商店九点开门。", "商店早上九点开始营业。"),
)
FAR_PAIRS = (
    ("How do I reset my password?", "The soup needs more salt."),
    ("The shop opens at nine o'clock.", "Whales are the largest animals."),
    ("The battery lasts ten hours.", "He plays the violin in an orchestra."),
    ("如何重置密码？", "汤里需要多放盐。"),
    ("这家商店九点开门。", "鲸鱼是最大的动物。"),
)
# What the authors of articles on Qwen3-Embedding-0.6B expect; other models have other scales.
NEAR_SIMILARITY = 0.75
FAR_SIMILARITY = 0.35

# Different in everything that a fault could be blind to: length, script, punctuation.
VARIED = (
    "a",
    "The train to the airport leaves at eight in the morning.",
    "密码",
    "如何重置我的密码？请点击登录页面上的链接。",
    "Restart the router and wait until the light turns green. " * 6,
    "Restart the router and wait until the light turns green. Then call the hotline about the bill of last month.",
    "def reset(token: str) -> None: ...",
    "¿Dónde está la biblioteca?",
    "Собака спит под столом",
    "يغادر القطار في الساعة الثامنة",
    "42",
    "ERR_CONNECTION_REFUSED 0x80070005",
    "Wash your hands with soap.",
)

PLAIN_LANGUAGE = "en"
# Two words of the same number of letters in each script: where letters are lost on the way, or the tokenizer knows none
# of them, they have one vector.
LETTERS: Mapping[str, tuple[str, str]] = {
    PLAIN_LANGUAGE: ("fish", "moon"),
    "zh": ("明天", "苹果"),
    "ja": ("りんご", "さかな"),
    "ko": ("사과", "바람"),
    "ru": ("рыба", "зима"),
    "ar": ("كتاب", "مطار"),
    "hi": ("पानी", "रोटी"),
    "th": ("ปลา", "ขาว"),
    "he": ("מים", "דבש"),
}

# Four matters of some length, and words that say nothing about any of them.
CONTEXTS = tuple(
    " ".join(sentences)
    for sentences in (
        (
            "The train to the airport leaves at eight in the morning from the second platform.",
            "Tickets are sold at the counter and in the machine beside the stairs.",
            "Large bags travel in the last car, and bicycles need a ticket of their own",
        ),
        (
            "Wash your hands with soap and warm water before you sit down to eat with the others.",
            "Dry them with a clean towel that nobody else has used on that day.",
            "Children do it better when an older sister or brother shows them how",
        ),
        (
            "The invoice must be paid within thirty days or the shop will ask for a further fee.",
            "Who pays within a week may take two percent off the sum before tax.",
            "Payments from abroad have to arrive in full, without the cost of the bank",
        ),
        (
            "It will rain heavily in the mountains tomorrow and the road may be closed all day.",
            "Walkers should stay in the valley, since paths along the river will be flooded.",
            "Snow is expected above the tree line in the night from Friday to Saturday",
        ),
    )
)
LAST_WORDS = ("music", "river", "seven", "orange")

FILLER = (
    "The light turns green and the door opens.",
    "Nobody came to the meeting on Tuesday.",
    "A small boat crosses the lake at noon.",
    "The bread was baked in the old oven.",
    "She wrote a letter to her uncle.",
    "The key lies under the blue stone.",
    "Wind moved the leaves in the garden.",
    "They painted the fence before winter.",
)

OTHER_INSTRUCTION = "Given a recipe, list the kitchen tools that it needs"


@dataclass(frozen=True, slots=True)
class Reference:
    """Published scores of one model: the products of the unit vectors of its queries and documents.

    Attributes:
        names: the model's name ends in one of these, in lower case.
        dimensions: length of its vectors.
        scores: one row for each query, one column for each document.
    """

    names: tuple[str, ...]
    dimensions: int
    instruction: str
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]


# The example of the model cards, https://huggingface.co/Qwen/Qwen3-Embedding-0.6B and -4B, -8B: a wrong pooling, a lost
# end token or another frame moves these scores by far more than the rounding of any number format.
_CARD_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
_CARD_QUERIES = ("What is the capital of China?", "Explain gravity")
_CARD_DOCUMENTS = (
    "The capital of China is Beijing.",
    "Gravity is a force that attracts two bodies towards each other. It gives weight to physical objects and is "
    "responsible for the movement of planets around the sun.",
)
REFERENCES = tuple(
    Reference((name,), dimensions, _CARD_INSTRUCTION, _CARD_QUERIES, _CARD_DOCUMENTS, scores)
    for name, dimensions, scores in (
        ("qwen3-embedding-0.6b", 1024, ((0.7646, 0.1414), (0.1355, 0.6000))),
        ("qwen3-embedding-4b", 2560, ((0.7534, 0.1147), (0.0320, 0.6258))),
        ("qwen3-embedding-8b", 4096, ((0.7493, 0.0751), (0.0880, 0.6318))),
    )
)
REFERENCE_TOLERANCE = 0.05

# A reranker's turn: the first document answers, the others do not. Words are shared with the answer in most.
RERANK_CASES = (
    (
        "How do I reset my password?",
        (
            "To reset your password, open the login page and choose the link below the form.",
            "The soup needs more salt and a little pepper.",
            "Whales are the largest animals that ever lived.",
            "The train to the airport leaves at eight.",
        ),
    ),
    (
        "When does the train to the airport leave?",
        (
            "The train to the airport leaves at eight in the morning.",
            "Bread is baked in the old oven every Tuesday.",
            "Passwords must have at least twelve characters.",
            "The invoice must be paid within thirty days.",
        ),
    ),
    (
        "How long may I take to pay the invoice?",
        (
            "The invoice must be paid within thirty days; then the shop adds a fee.",
            "He plays the violin in an orchestra.",
            "Snow is expected above the tree line.",
            "Large bags travel in the last car.",
        ),
    ),
    (
        "Why should I wash my hands before I eat?",
        (
            "Wash your hands with soap before you eat: it keeps germs out of your food.",
            "The key lies under the blue stone.",
            "The battery lasts ten hours.",
            "They painted the fence before winter.",
        ),
    ),
    (
        "What is the capital of China?",
        (
            "The capital of China is Beijing.",
            "A small boat crosses the lake at noon.",
            "The shop opens at nine o'clock.",
            "She wrote a letter to her uncle.",
        ),
    ),
    (
        "如何重置我的密码？",
        (
            "重置密码：打开登录页面，点击“忘记密码”。",
            "汤里需要多放盐。",
            "鲸鱼是最大的动物。",
            "火车早上八点出发。",
        ),
    ),
)
