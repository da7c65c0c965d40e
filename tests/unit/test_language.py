"""Languages: names, cleaning, detection, sentences."""

import gzip
import json
import os
import unicodedata
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchapp.language import SUPPORTED_LANGUAGES, UNDETERMINED, clean_text, detect, sentences

ZWNJ, ZWJ = "\u200c", "\u200d"

# Text of everything that cleaning and cutting look at, so that hypothesis meets it in every order.
TEXT = st.lists(
    st.one_of(
        st.characters(),
        st.sampled_from(
            " \n\t.!?。！？।؟»”)」'\"aB1éßक\u094dمیأ漢字かなカ한ไทย👩🏽\ufe0f<|>\ufeff\u00adﬁＡ１ﾊﾞ⼀ﻻ\ud800"
            + ZWNJ
            + ZWJ
        ),
        st.sampled_from(["<|im_start|>", "Dr. ", "e.g. ", "... ", "\r\n", "ops@a.b", "https://a.b/c"]),
    )
).map("".join)


def spans_of(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


# --- the list


def test_supported_languages_right_to_left_are_the_four_of_arabic_and_hebrew_script() -> None:
    right_to_left = {code for code, language in SUPPORTED_LANGUAGES.items() if language.direction == "rtl"}
    assert right_to_left == {"ar", "fa", "he", "ur"}


def test_supported_languages_native_name_is_spelled_in_their_own_letters() -> None:
    for language in SUPPORTED_LANGUAGES.values():
        letters = {c for c in language.native_name.lower() if c.isalpha() and not c.isascii()}
        if language.letters:
            assert letters <= set(language.letters), language.code


# --- cleaning


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("\ufeffa\u200bb\u00adc\u2060", "abc"),
        ("\u202eabc\u202c \u200fשלום\u200e", "abc שלום"),
        ("bad\x00\x1b\x7f end\ud800\ufffe", "bad end"),
        ("  one \t two \n\n\u2028 three  ", "one two\nthree"),
        ("cafe\u0301", "café"),
        ("ＡＢＣ１２３，ok", "ABC123，ok"),
        ("⽤⼾ 金\uf90a", "用戶 金金"),
        ("ﬁnd ﬂow", "find flow"),
        ("\ufefb\ufe8e", "لاا"),
        ("ﾊﾞｽ", "バス"),
        ("𝐛𝐨𝐥𝐝 Ⅳ", "bold IV"),
        ("x² ① น้ำ ½ ㎏", "x² ① น้ำ ½ ㎏"),
        ("<|im_start|>user hi<|endoftext|>", "user hi"),
        ("＜a＞ <｜begin｜>x", "＜a＞ x"),
        ("<|a<|b|>|>", "<|a |>"),
        ("a <b> | c |> d", "a <b> | c |> d"),
    ],
)
def test_clean_text_noise_is_removed_and_meaning_kept(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


@pytest.mark.parametrize(
    "text",
    [f"می{ZWNJ}خواهم", f"क्{ZWJ}ष", f"ശ്രീ ന്{ZWJ}", f"র{ZWNJ}য", f"👨{ZWJ}👩{ZWJ}👧", f"👩🏽{ZWJ}💻", f"❤️{ZWJ}🔥"],
)
def test_clean_text_joiners_that_spelling_needs_stay(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize("text", [f"a{ZWJ}b", f"a{ZWNJ}b", f"漢{ZWNJ}字", f"a{ZWJ}👩b"])
def test_clean_text_joiners_without_a_use_are_removed(text: str) -> None:
    assert clean_text(text) == text.replace(ZWJ, "").replace(ZWNJ, "")


@given(TEXT)
def test_clean_text_is_idempotent_nfc_and_encodable(text: str) -> None:
    clean = clean_text(text)
    assert clean_text(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert clean.encode("utf-8").decode("utf-8") == clean


# --- detection

SENTENCES = {
    "am": "የይለፍ ቃሌን እንዴት መቀየር እችላለሁ?",
    "ar": "كيف يمكنني تغيير كلمة المرور الخاصة بي؟",
    "be": "Як я магу змяніць свой пароль?",
    "bg": "Къде мога да намеря фактурата за последната поръчка?",
    "bn": "আমি কীভাবে আমার পাসওয়ার্ড পরিবর্তন করব?",
    "ca": "Com puc canviar la meva contrasenya?",
    "cs": "Jak si mohu změnit přihlašovací heslo?",
    "da": "Hvordan kan jeg ændre min adgangskode?",
    "de": "Wie kann ich mein Passwort ändern?",
    "el": "Πώς μπορώ να αλλάξω τον κωδικό μου;",
    "en": "How can I change the password of my account?",
    "es": "¿Cómo puedo cambiar mi contraseña?",
    "et": "Kuidas ma saan oma parooli muuta?",
    "fa": "چگونه می‌توانم رمز عبورم را تغییر دهم؟",
    "fi": "Miten voin vaihtaa salasanani?",
    "fr": "Comment puis-je changer mon mot de passe ?",
    "he": "איך אפשר לשנות את הסיסמה שלי?",
    "hi": "मैं अपना पासवर्ड कैसे बदल सकता हूँ?",
    "hu": "Hogyan tudom megváltoztatni a jelszavamat?",
    "id": "Bagaimana cara mengubah kata sandi saya?",
    "it": "Come posso cambiare la mia password?",
    "ja": "パスワードを変更するにはどうすればいいですか？",
    "ka": "როგორ შევცვალო ჩემი პაროლი?",
    "ko": "비밀번호를 어떻게 변경하나요?",
    "lt": "Kaip galiu pakeisti savo slaptažodį?",
    "nl": "Hoe kan ik mijn wachtwoord wijzigen?",
    "no": "Hvordan kan jeg endre passordet mitt?",
    "pl": "Jak mogę zmienić swoje hasło?",
    "pt": "Como posso alterar a minha senha?",
    "ro": "Cum îmi pot schimba parola?",
    "ru": "Как мне изменить свой пароль?",
    "sk": "Ako si môžem zmeniť svoje heslo?",
    "sr": "Како могу да променим своју лозинку?",
    "sv": "Hur kan jag ändra mitt lösenord?",
    "sw": "Ninawezaje kubadilisha nenosiri langu?",
    "ta": "எனது கடவுச்சொல்லை எப்படி மாற்றுவது?",
    "th": "ฉันจะเปลี่ยนรหัสผ่านได้อย่างไร",
    "tr": "Şifremi nasıl değiştirebilirim?",
    "uk": "Як я можу змінити свій пароль?",
    "ur": "میں اپنا پاس ورڈ کیسے تبدیل کر سکتا ہوں؟",
    "vi": "Làm thế nào để tôi thay đổi mật khẩu?",
    "zh": "我应该怎么修改自己的密码？",
    "zh-Hant": "我應該怎麼修改自己的密碼？",
}


@pytest.mark.parametrize(("code", "text"), SENTENCES.items(), ids=SENTENCES)
def test_detect_sentence_names_its_language(code: str, text: str) -> None:
    assert detect(text) == code


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "reset password"),
        ("de", "Passwort vergessen"),
        ("es", "olvidé mi contraseña"),
        ("fr", "mot de passe oublié"),
        ("ja", "動画配信開始"),
        ("ja", "ログイン 方法"),
        ("ko", "환불 정책"),
        ("th", "ขอเงินคืน"),
        ("uk", "забув пароль"),
        ("zh", "如何修复一直Pending的Kubernetes Pod"),
        ("zh", "ERR_CONNECTION_RESET 是什么意思"),
        ("zh-Hant", "無法登入帳號"),
        ("ko", "Kubernetes Pod가 Pending 상태입니다"),
        ("ru", "Kubernetes Pod завис в Pending"),
        ("en", "What does 你好 mean in English?"),
        ("en", "see https://пример.example/страница and mail ops@example.com please"),
    ],
)
def test_detect_short_or_mixed_query_names_its_language(code: str, text: str) -> None:
    assert detect(text) == code


@pytest.mark.parametrize(
    "text", ["", "  \n", "12345 67", "2026-11-21 10:00", "v1.2.3", "→ ✓ 😀", "for (i = 0; i < n; i++) { f(x[i]); }"]
)
def test_detect_text_without_words_is_undetermined(text: str) -> None:
    assert detect(text) == UNDETERMINED


def test_detect_text_without_words_takes_the_prior() -> None:
    assert detect("12345", prior="de") == "de"


def test_detect_prior_settles_what_is_ambiguous_only() -> None:
    assert detect("大学", prior="ja") == "ja"
    assert detect("大学", prior="zh") == "zh"
    assert detect("Wie kann ich mein Passwort ändern?", prior="en") == "de"


def test_detect_languages_given_answers_among_them() -> None:
    assert detect("kata sandi", languages=["ms", "en"]) == "ms"
    assert detect("無法登入", languages=["zh", "en"]) == "zh"
    assert detect("สวัสดี", languages=["zh", "en"]) == UNDETERMINED
    assert detect("12345", languages=["zh", "en"], prior="th") == UNDETERMINED


def test_detect_from_many_threads_gives_the_same_answers() -> None:
    expected = list(SENTENCES) * 4
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(detect, list(SENTENCES.values()) * 4)) == expected


@given(TEXT, st.sampled_from(["", *SUPPORTED_LANGUAGES]))
def test_detect_any_text_answers_a_known_code(text: str, prior: str) -> None:
    assert detect(text, prior=prior) in {*SUPPORTED_LANGUAGES, UNDETERMINED}


# Measured: 98.7 and 97.4 in the mean, Ukrainian (90) and Dutch titles such as "Is Bitcoin legaal?" (87) lowest.
@pytest.mark.parametrize(
    ("dataset", "least_mean", "least"), [("tatoeba-laser", 0.98, 0.88), ("faq-bitcoin", 0.96, 0.85)]
)
def test_detect_real_short_texts_accuracy_stays(dataset: str, least_mean: float, least: float) -> None:
    shared = os.environ.get("ISOGLOSS_SHARED")
    if not shared:
        pytest.skip("ISOGLOSS_SHARED does not name the folder of evaluation data")
    right: defaultdict[str, list[bool]] = defaultdict(list)
    with gzip.open(Path(shared, "data", "eval", dataset, "queries.jsonl.gz"), "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if len(right[row["lang"]]) < 500:
                found = detect(row["text"])
                # Tatoeba's zh holds both orthographies.
                right[row["lang"]].append(found == row["lang"] or (dataset, found) == ("tatoeba-laser", "zh-Hant"))
    accuracy = {code: sum(found) / len(found) for code, found in right.items()}
    assert sum(accuracy.values()) / len(accuracy) >= least_mean
    assert min(accuracy.values()) >= least, accuracy


# --- sentences


@pytest.mark.parametrize(
    "parts",
    [
        ["One here.", "Two there!", "Three?"],
        ["今天天气很好。", "我们去公园吧！", "你想去吗?", "他说：“好。”", "“真的。”"],
        ["「はい。」", "元気ですか？", "いいえ。"],
        ["यह पहला वाक्य है।", "क्या यह दूसरा है?", "हाँ।"],
        ["هذا هو النص الأول.", "هل هذا سؤال؟", "نعم، هذا سؤال."],
        ["یہ پہلا جملہ ہے۔", "یہ دوسرا ہے۔"],
        ["안녕하세요.", "만나서 반가워요!"],
        ["ဒါက ပထမဝါကျ။", "ဒါက ဒုတိယ။"],
        ["Dr. Smith met J. Jones at 3.5 p.m. today.", "He (Mr. X) left... slowly."],
        ["Am 3. Oktober ist z. B. frei.", "Danach nicht."],
        ["Run Node.js v1.2 now.", "Ask Yahoo!Answers later."],
        ["Первое предложение.", "Второе, т. е. это."],
        ["ภาษาไทยไม่มีเครื่องหมายจบประโยคเหมือนภาษาอื่น", "เราจึงตัดข้อความที่ช่องว่างเพื่อให้อ่านง่ายและถูกต้อง"],
    ],
)
def test_sentences_script_by_script_end_where_a_reader_ends_them(parts: list[str]) -> None:
    glue = "" if parts[0][0] in "今「" else " "
    assert spans_of(glue.join(parts)) == parts


def test_sentences_lines_part_list_items_but_not_wrapped_text() -> None:
    assert spans_of("First item\nSecond item\n\nThis line is\nwrapped here") == [
        "First item",
        "Second item",
        "This line is\nwrapped here",
    ]


def test_sentences_short_thai_clauses_stay_together() -> None:
    assert spans_of("สวัสดี ครับ ผม ชื่อ ต้น") == ["สวัสดี ครับ ผม ชื่อ ต้น"]


@given(TEXT)
def test_sentences_spans_are_ordered_trimmed_and_cover_all_but_space(text: str) -> None:
    spans = sentences(text)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    assert "".join("".join(spans_of(text)).split()) == "".join(text.split())
