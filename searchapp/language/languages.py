"""The languages the product knows: the one list that names, directions and detection come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

_RIGHT_TO_LEFT_SCRIPTS: Final = frozenset({"Arabic", "Hebrew"})

_CYRILLIC: Final = "абвгдежзклмнопрстуфхцчш"
_VIETNAMESE: Final = "àáâãèéêìíòóôõùúýăđĩũơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ"


@dataclass(frozen=True, slots=True)
class Language:
    """Describe one language.

    Attributes:
        code: BCP 47 code, e.g. ``zh-Hant``.
        name: its English name.
        native_name: what its speakers call it.
        script: Unicode name of the script it is written in (Japanese: Hiragana, see detection).
        letters: the letters its words are spelled with, beyond a-z for Latin script, after the exemplar
            characters of Unicode CLDR. Empty where the alphabet tells it from no neighbour.
        tier: how far it is met outside its own countries: 0 (the lingua franca), 1 (worldwide),
            2 (a market of its own) or 3.
            Only decides near ties between languages that look alike in a short text.
    """

    code: str
    name: str
    native_name: str
    script: str = "Latin"
    letters: str = ""
    tier: int = 3

    @property
    def direction(self) -> Literal["ltr", "rtl"]:
        """Return the value of the HTML ``dir`` attribute."""
        return "rtl" if self.script in _RIGHT_TO_LEFT_SCRIPTS else "ltr"


_LANGUAGES: Final = (
    Language("am", "Amharic", "አማርኛ", "Ethiopic"),
    Language("ar", "Arabic", "العربية", "Arabic", "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي", tier=1),
    Language("be", "Belarusian", "беларуская", "Cyrillic", _CYRILLIC + "ёійўыьэюя"),
    Language("bg", "Bulgarian", "български", "Cyrillic", _CYRILLIC + "ийщъьюя"),
    Language("bn", "Bengali", "বাংলা", "Bengali", tier=2),
    Language("ca", "Catalan", "català", letters="àçéèíïóòúü"),
    Language("cs", "Czech", "čeština", letters="áčďéěíňóřšťúůýž", tier=2),
    Language("da", "Danish", "dansk", letters="æøåé", tier=2),
    Language("de", "German", "Deutsch", letters="äöüß", tier=1),
    Language("el", "Greek", "Ελληνικά", "Greek", tier=2),
    Language("en", "English", "English", letters="éï", tier=0),
    Language("es", "Spanish", "español", letters="áéíñóúü", tier=1),
    Language("et", "Estonian", "eesti", letters="äõöüšž"),
    Language("fa", "Persian", "فارسی", "Arabic", "ءآأؤئابپتثجچحخدذرزژسشصضطظعغفقکگلمنهوی", tier=2),
    Language("fi", "Finnish", "suomi", letters="äöåšž", tier=2),
    Language("fr", "French", "français", letters="àâæçéèêëîïôœùûüÿ", tier=1),
    Language("gu", "Gujarati", "ગુજરાતી", "Gujarati"),
    Language("he", "Hebrew", "עברית", "Hebrew", tier=2),
    Language("hi", "Hindi", "हिन्दी", "Devanagari", tier=1),
    Language("hr", "Croatian", "hrvatski", letters="čćđšž"),
    Language("hu", "Hungarian", "magyar", letters="áéíóöőúüű", tier=2),
    Language("hy", "Armenian", "հայերեն", "Armenian"),
    Language("id", "Indonesian", "Bahasa Indonesia", tier=2),
    Language("it", "Italian", "italiano", letters="àèéìíîòóùú", tier=1),
    Language("ja", "Japanese", "日本語", "Hiragana", tier=1),
    Language("ka", "Georgian", "ქართული", "Georgian"),
    Language("kk", "Kazakh", "қазақ тілі", "Cyrillic", _CYRILLIC + "ёийщъыьэюяәғқңөұүһі"),
    Language("km", "Khmer", "ខ្មែរ", "Khmer"),
    Language("kn", "Kannada", "ಕನ್ನಡ", "Kannada"),
    Language("ko", "Korean", "한국어", "Hangul", tier=1),
    Language("lo", "Lao", "ລາວ", "Lao"),
    Language("lt", "Lithuanian", "lietuvių", letters="ąčęėįšųūž"),
    Language("lv", "Latvian", "latviešu", letters="āčēģīķļņšūž"),
    Language("mk", "Macedonian", "македонски", "Cyrillic", _CYRILLIC + "ѓијљњќџѕ"),
    Language("ml", "Malayalam", "മലയാളം", "Malayalam"),
    Language("mr", "Marathi", "मराठी", "Devanagari"),
    Language("ms", "Malay", "Bahasa Melayu"),
    Language("my", "Burmese", "မြန်မာ", "Myanmar"),
    Language("ne", "Nepali", "नेपाली", "Devanagari"),
    Language("nl", "Dutch", "Nederlands", letters="áéèëíïóöúü", tier=2),
    Language("no", "Norwegian", "norsk", letters="æøåéèòàôó", tier=2),
    Language("pa", "Punjabi", "ਪੰਜਾਬੀ", "Gurmukhi"),
    Language("pl", "Polish", "polski", letters="ąćęłńóśźż", tier=2),
    Language("pt", "Portuguese", "português", letters="áàâãçéêíóôõúü", tier=1),
    Language("ro", "Romanian", "română", letters="ăâîșțşţ", tier=2),
    Language("ru", "Russian", "русский", "Cyrillic", _CYRILLIC + "ёийщъыьэюя", tier=1),
    Language("si", "Sinhala", "සිංහල", "Sinhala"),
    Language("sk", "Slovak", "slovenčina", letters="áäčďéíĺľňóôŕšťúýž"),
    Language("sl", "Slovenian", "slovenščina", letters="čšž"),
    Language("sr", "Serbian", "српски", "Cyrillic", _CYRILLIC + "ђијљњћџ"),
    Language("sv", "Swedish", "svenska", letters="äåöéà", tier=2),
    Language("sw", "Swahili", "Kiswahili"),
    Language("ta", "Tamil", "தமிழ்", "Tamil"),
    Language("te", "Telugu", "తెలుగు", "Telugu"),
    Language("th", "Thai", "ไทย", "Thai", tier=2),
    Language("tl", "Tagalog", "Tagalog", letters="ñ"),
    Language("tr", "Turkish", "Türkçe", letters="çğıöşüâîû", tier=2),
    Language("uk", "Ukrainian", "українська", "Cyrillic", _CYRILLIC + "ґєиіїйщьюя", tier=2),
    Language("ur", "Urdu", "اردو", "Arabic", "ءآأؤئابپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنںوہۂھیےۓ"),
    Language("vi", "Vietnamese", "Tiếng Việt", letters=_VIETNAMESE, tier=2),
    Language("zh", "Chinese (Simplified)", "简体中文", "Han", tier=1),
    Language("zh-Hant", "Chinese (Traditional)", "繁體中文", "Han", tier=2),
)

SUPPORTED_LANGUAGES: Final[Mapping[str, Language]] = MappingProxyType(
    {language.code: language for language in _LANGUAGES}
)


def primary_language(code: str) -> str:
    """Return the language that stands for all that count as one: both ways to write Chinese do."""
    return "zh" if code == "zh-Hant" else code
