/* Organisations and contacts. Invariant: what was settled once settles to the same again. */
#include "model/organisation.h"

#include <string.h>

static const struct field_choice categories[] = {
    {"private", {"Private organisation", "民間企業・法人"}},
    {"government", {"Government entity", "官公庁・自治体"}},
    {"business", {"Sole proprietor or partnership", "個人事業主・組合"}},
    {"other", {"Non-commercial entity", "非営利・国際機関"}},
    {NULL, {NULL, NULL}}};

enum { NAME_CHARS = 64, PLACE_CHARS = 128, BYTES = 512 };

const struct field organisation_fields[] = {
    FIELD_STR(struct organisation, legal_name, .flags = FIELD_REQUIRED, .max = BYTES,
              .label = {"Legal name (English)", "組織名（英語）"},
              .help = {"As the certificate shows it (O), up to 64 characters",
                       "証明書の O に入る英語表記（64 文字まで）"},
              .example = "Example Trading Co., Ltd."),
    FIELD_STR(struct organisation, legal_name_ja, .max = BYTES,
              .label = {"Legal name (Japanese)", "組織名（日本語）"},
              .help = {"As it is registered", "登記上の名称"}, .example = "株式会社例示商事"),
    FIELD_ENUM(struct organisation, category, .dflt = "private", .choices = categories,
               .label = {"Kind of organisation", "組織の区分"}),
    FIELD_STR(struct organisation, duns, .max = 16, .label = {"D-U-N-S number", "D-U-N-S ナンバー"},
              .help = {"Nine digits", "9 桁の数字"}, .example = "690123456"),
    FIELD_STR(struct organisation, registration, .max = 32,
              .label = {"Registration number", "法人番号・登録番号"},
              .help = {"In Japan the corporate number of 13 digits", "日本では 13 桁の法人番号"},
              .example = "1234567890123"),
    FIELD_STR(struct organisation, country, .flags = FIELD_REQUIRED, .min = 2, .max = 2,
              .dflt = "JP", .label = {"Country", "国"},
              .help = {"Two letters of ISO 3166", "ISO 3166 の 2 文字"}, .example = "JP"),
    FIELD_STR(struct organisation, postal_code, .max = 16, .label = {"Postal code", "郵便番号"},
              .example = "100-0001"),
    FIELD_STR(struct organisation, state, .max = BYTES,
              .label = {"State or prefecture (English)", "都道府県（英語）"}, .example = "Tokyo"),
    FIELD_STR(struct organisation, state_ja, .max = BYTES,
              .label = {"State or prefecture (Japanese)", "都道府県（日本語）"},
              .example = "東京都"),
    FIELD_STR(struct organisation, locality, .max = BYTES,
              .label = {"City (English)", "市区町村（英語）"}, .example = "Chiyoda-ku"),
    FIELD_STR(struct organisation, locality_ja, .max = BYTES,
              .label = {"City (Japanese)", "市区町村（日本語）"}, .example = "千代田区"),
    FIELD_STR(struct organisation, street, .max = BYTES,
              .label = {"Street address (English)", "番地・建物（英語）"},
              .example = "1-1-1 Example"),
    FIELD_STR(struct organisation, street_ja, .max = BYTES,
              .label = {"Street address (Japanese)", "番地・建物（日本語）"},
              .example = "例示 1-1-1"),
    FIELD_STR(struct organisation, phone, .max = 32, .label = {"Phone", "代表電話番号"},
              .help = {"A number that a public directory shows", "公開されている番号"},
              .example = "+81-3-0000-0000"),
    FIELD_END};

static const struct field_choice roles[] = {
    {"organisation", {"Contact of the organisation", "組織の担当者"}},
    {"technical", {"Technical contact", "技術担当者"}},
    {"approver", {"Approver (EV)", "承認者（EV）"}},
    {"billing", {"Billing contact", "経理担当者"}},
    {NULL, {NULL, NULL}}};

const struct field contact_fields[] = {
    FIELD_ENUM(struct contact, role, .dflt = "organisation", .choices = roles,
               .label = {"Role", "役割"}),
    FIELD_STR(struct contact, name, .flags = FIELD_REQUIRED, .max = BYTES,
              .label = {"Name (English)", "氏名（英語）"}, .example = "Hanako Yamada"),
    FIELD_STR(struct contact, name_ja, .max = BYTES, .label = {"Name (Japanese)", "氏名（日本語）"},
              .example = "山田 花子"),
    FIELD_STR(struct contact, title, .max = BYTES, .label = {"Job title (English)", "役職（英語）"},
              .example = "Manager"),
    FIELD_STR(struct contact, title_ja, .max = BYTES,
              .label = {"Job title (Japanese)", "役職（日本語）"}, .example = "課長"),
    FIELD_STR(struct contact, mail, .flags = FIELD_REQUIRED, .max = 254,
              .label = {"E-mail", "メールアドレス"}, .example = "hanako@example.co.jp"),
    FIELD_STR(struct contact, phone, .max = 32, .label = {"Phone", "電話番号"},
              .example = "+81-3-0000-0000"),
    FIELD_END};

bool country_is_known(const char *code)
{
    /* ISO 3166-1 alpha-2: those officially assigned */
    static const char codes[] =
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ "
        "BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM "
        "DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS "
        "GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
        "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ "
        "MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
        "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
        "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
        "VN VU WF WS YE YT ZA ZM ZW ";
    for (const char *p = codes; *p; p += 3)
        if (strncmp(p, code, 2) == 0 && code[2] == '\0')
            return true;
    return false;
}

static enum rc refuse(struct err *err, const char *field, const struct msg *m)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT, m);
    err_field(err, field);
    return rc;
}

/* The next character of UTF-8 text that is known to be sound. */
static unsigned next_char(const char **p)
{
    unsigned char c = (unsigned char)*(*p)++;
    unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    unsigned u = more ? c & (0x3fU >> more) : c;
    for (; more > 0; more--)
        u = u << 6 | ((unsigned char)*(*p)++ & 0x3f);
    return u;
}

struct text {
    const char *field;
    const char **at;
    size_t max; /* characters */
    bool latin; /* it may stand in a certificate, or be read by a CA abroad */
};

static enum rc settle_text(const struct text *t, struct arena *a, struct err *err)
{
    size_t n = 0;
    if (!*t->at)
        return RC_OK;
    struct str s = str_trim(str_from(*t->at));
    if (s.n == 0) {
        *t->at = NULL;
        return RC_OK;
    }
    *t->at = arena_str(a, s);
    if (!*t->at)
        return NOMEM(err);
    if (!str_is_utf8(s))
        return refuse(err, t->field,
                      MSG("org.utf8", "this is not UTF-8 text", "UTF-8 の文字列ではありません"));
    for (const char *p = *t->at; *p; n++) {
        unsigned u = next_char(&p);
        bool control = u < 0x20 || (u >= 0x7f && u < 0xa0) || (u >= 0x2028 && u <= 0x202e) ||
                       (u >= 0x2066 && u <= 0x2069);
        if (control)
            return refuse(err, t->field,
                          MSG("org.control", "control characters and line ends are not allowed",
                              "制御文字や改行は使えません"));
        if (t->latin && u >= 0x2e80)
            return refuse(err, t->field,
                          MSG("org.latin",
                              "write this in Latin letters; the Japanese form has its own field",
                              "英語表記（半角英字）で入力してください。日本語表記は別の欄です"));
    }
    if (n > t->max) {
        enum rc rc = FAIL(
            err, RC_INPUT, BLAME_INPUT,
            MSG("org.long", "at most {0} characters fit in here", "{0} 文字以内で入力してください"),
            NUM((int64_t)t->max));
        err_field(err, t->field);
        return rc;
    }
    return RC_OK;
}

static enum rc settle_texts(const struct text *t, size_t n, struct arena *a, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        TRY(settle_text(&t[i], a, err));
    return RC_OK;
}

/* Digits alone, of text that may hold hyphens and spaces; false when anything else is there. */
static bool digits_of(const char *text, char *ret, size_t size, size_t *ret_n)
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '-' || *p == ' ')
            continue;
        if (*p < '0' || *p > '9' || n + 1 >= size)
            return false;
        ret[n++] = *p;
    }
    ret[n] = '\0';
    *ret_n = n;
    return true;
}

static enum rc settle_number(const char *field, const char **at, size_t want, const struct msg *m,
                             struct arena *a, struct err *err)
{
    char digits[32];
    size_t n = 0;
    if (!*at)
        return RC_OK;
    if (!digits_of(*at, digits, sizeof digits, &n) || n != want)
        return refuse(err, field, m);
    *at = arena_strdup(a, digits);
    return *at ? RC_OK : NOMEM(err);
}

static enum rc settle_country(struct organisation *o, struct arena *a, struct err *err)
{
    char code[3] = "";
    const char *given = o->country ? o->country : "";
    for (size_t i = 0; i < 2 && given[i]; i++)
        code[i] = (char)(given[i] >= 'a' && given[i] <= 'z' ? given[i] - 0x20 : given[i]);
    if (strlen(given) != 2 || !country_is_known(code))
        return refuse(err, "country",
                      MSG("org.country",
                          "a country is two letters of ISO 3166, such as JP or US (GB, not UK)",
                          "国は ISO 3166 の 2 文字（JP、US など。英国は GB）で入力してください"));
    o->country = arena_strdup(a, code);
    return o->country ? RC_OK : NOMEM(err);
}

/* Japan: 1234567, 123-4567 -> 123-4567. Elsewhere: letters, digits, spaces, hyphens. */
static enum rc settle_postal(struct organisation *o, struct arena *a, struct err *err)
{
    char digits[16];
    size_t n = 0;
    const char *p = o->postal_code;
    if (!p)
        return RC_OK;
    if (strcmp(o->country, "JP") == 0) {
        if (!digits_of(p, digits, sizeof digits, &n) || n != 7)
            return refuse(err, "postal_code",
                          MSG("org.postal_jp", "a postal code in Japan has seven digits: 100-0001",
                              "日本の郵便番号は 7 桁（例 100-0001）で入力してください"));
        o->postal_code = arena_printf(a, "%.3s-%s", digits, digits + 3);
        return o->postal_code ? RC_OK : NOMEM(err);
    }
    if (p[strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -")] != '\0')
        return refuse(err, "postal_code",
                      MSG("org.postal",
                          "a postal code has letters, digits, spaces and hyphens only",
                          "郵便番号には英数字、空白、ハイフンだけを使えます"));
    return RC_OK;
}

/* E.164: at most 15 digits; people write hyphens, spaces, brackets. */
static enum rc check_phone(const char *phone, struct err *err)
{
    size_t digits = 0;
    bool good = true;
    if (!phone)
        return RC_OK;
    for (const char *p = phone; *p && good; p++) {
        bool digit = *p >= '0' && *p <= '9';
        digits += digit;
        good = digit || strchr("-() .", *p) || (*p == '+' && p == phone);
    }
    if (good && digits >= 5 && digits <= 15)
        return RC_OK;
    return refuse(err, "phone",
                  MSG("org.phone",
                      "a phone number has 5 to 15 digits, hyphens and brackets, perhaps + in front",
                      "電話番号は 5～15 桁の数字（ハイフン、括弧、先頭の + も可）で入力して"
                      "ください"));
}

enum rc organisation_settle(struct organisation *o, struct arena *a, struct err *err)
{
    const struct text texts[] = {
        {"legal_name", &o->legal_name, NAME_CHARS, true},
        {"legal_name_ja", &o->legal_name_ja, PLACE_CHARS, false},
        {"duns", &o->duns, PLACE_CHARS, true},
        {"registration", &o->registration, PLACE_CHARS, true},
        {"postal_code", &o->postal_code, PLACE_CHARS, true},
        {"state", &o->state, PLACE_CHARS, true},
        {"state_ja", &o->state_ja, PLACE_CHARS, false},
        {"locality", &o->locality, PLACE_CHARS, true},
        {"locality_ja", &o->locality_ja, PLACE_CHARS, false},
        {"street", &o->street, PLACE_CHARS, true},
        {"street_ja", &o->street_ja, PLACE_CHARS, false},
        {"phone", &o->phone, PLACE_CHARS, true},
    };
    TRY(settle_texts(texts, COUNT_OF(texts), a, err));
    if (!o->legal_name)
        return refuse(err, "legal_name",
                      MSG("org.legal_name", "the legal name in English is needed",
                          "組織名（英語）を入力してください"));
    TRY(settle_country(o, a, err));
    if (!o->state && !o->locality)
        return refuse(err, "locality",
                      MSG("org.place", "a state or a city is needed beside the country (English)",
                          "都道府県か市区町村（英語）を入力してください"));
    TRY(settle_number(
        "duns", &o->duns, 9,
        MSG("org.duns", "a D-U-N-S number has nine digits", "D-U-N-S ナンバーは 9 桁の数字です"), a,
        err));
    if (strcmp(o->country, "JP") == 0)
        TRY(settle_number("registration", &o->registration, 13,
                          MSG("org.corporate_number", "a corporate number in Japan has 13 digits",
                              "日本の法人番号は 13 桁の数字です"),
                          a, err));
    TRY(settle_postal(o, a, err));
    return check_phone(o->phone, err);
}

enum rc contact_settle(struct contact *c, struct arena *a, struct err *err)
{
    const struct text texts[] = {
        {"name", &c->name, NAME_CHARS, true},   {"name_ja", &c->name_ja, NAME_CHARS, false},
        {"title", &c->title, NAME_CHARS, true}, {"title_ja", &c->title_ja, NAME_CHARS, false},
        {"mail", &c->mail, 254, true},          {"phone", &c->phone, PLACE_CHARS, true},
    };
    TRY(settle_texts(texts, COUNT_OF(texts), a, err));
    if (!c->name)
        return refuse(err, "name",
                      MSG("org.contact_name", "the name in English is needed",
                          "氏名（英語）を入力してください"));
    if (!c->mail || !mail_is_valid(c->mail))
        return refuse(err, "mail",
                      MSG("org.mail", "this is not an e-mail address: name@example.co.jp",
                          "メールアドレスの形式が正しくありません（例 name@example.co.jp）"));
    return check_phone(c->phone, err);
}
