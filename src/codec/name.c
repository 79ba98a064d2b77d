/*
 * DNS names of certificates. The only file that sees libidn2.
 *
 * Invariants: what name_normalise() returns is lower-case LDH labels of at most 63, at most 253 in
 * all, perhaps with one leading "*.", or the canonical text of an IP address; normalising it again
 * changes nothing. name_display() never returns a text that could be taken for another name: its
 * script rules are those of UTS 39 "highly restrictive", and narrower where in doubt.
 */
#include "codec/name.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#include "codec/schema.h"

enum { LABEL_MAX = 63, NAME_LEN_MAX = 253, TYPED_MAX = 1024 };
/* Not IDN2_USE_STD3_ASCII_RULES: libidn2 2.3 then drops "_" and the like, giving another name. */
enum { TO_ASCII = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL };

static enum rc refuse(struct err *err, const struct msg *m, const char *typed)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT, m, typed);
}

static const struct msg bad_chars = {
    "codec.name_chars",
    "the name \"{0}\" holds characters that a domain name cannot have; use letters, digits, "
    "hyphens and dots",
    "名前「{0}」にドメイン名で使えない文字があります。文字、数字、ハイフン、ドットで"
    "指定してください"};
static const struct msg bad_length = {
    "codec.name_length",
    "the name \"{0}\" is too long: a label may have 63 characters and a name 253 (after IDNA)",
    "名前「{0}」が長すぎます。ラベルは 63 文字、名前全体は 253 文字までです (IDNA 変換後)"};
static const struct msg bad_wildcard = {
    "codec.name_wildcard",
    "in \"{0}\" the wildcard must stand alone at the front, before two labels or more, as in "
    "*.example.jp",
    "「{0}」のワイルドカードは *.example.jp のように先頭に単独で置き、後に二つ以上のラベルが"
    "必要です"};
static const struct msg bad_syntax = {
    "codec.name_syntax", "\"{0}\" is not a domain name or IP address; check dots and hyphens",
    "「{0}」はドメイン名でも IP アドレスでもありません。ドットとハイフンを確認してください"};

/* RFC 5952 is what inet_ntop(3) of glibc writes. */
static const char *ip_text(struct arena *a, const char *s, bool *ret_is_ip)
{
    unsigned char addr[16];
    char text[INET6_ADDRSTRLEN];
    int family = inet_pton(AF_INET, s, addr) == 1 ? AF_INET : AF_INET6;

    *ret_is_ip = family == AF_INET || inet_pton(AF_INET6, s, addr) == 1;
    if (!*ret_is_ip || !inet_ntop(family, addr, text, sizeof text))
        return NULL;
    return arena_strdup(a, text);
}

static enum rc refuse_idn(struct err *err, int code, const char *typed)
{
    if (code == IDN2_MALLOC)
        return NOMEM(err);
    if (code == IDN2_TOO_BIG_DOMAIN || code == IDN2_TOO_BIG_LABEL ||
        code == IDN2_PUNYCODE_BIG_OUTPUT)
        return refuse(err, &bad_length, typed);
    if (code == IDN2_2HYPHEN || code == IDN2_HYPHEN_STARTEND || code == IDN2_DOT_IN_LABEL)
        return refuse(err, &bad_syntax, typed);
    return refuse(err, &bad_chars, typed);
}

/* The mapped name in memory of the arena, without one trailing dot. */
static enum rc to_ascii(struct arena *a, const char *s, const char *typed, char **ret,
                        struct err *err)
{
    char *out = NULL;
    int code = idn2_to_ascii_8z(s, &out, TO_ASCII);
    if (code != IDN2_OK)
        return refuse_idn(err, code, typed);
    char *copy = arena_strdup(a, out);
    idn2_free(out);
    if (!copy)
        return NOMEM(err);
    size_t n = strlen(copy);
    if (n > 1 && copy[n - 1] == '.')
        copy[n - 1] = '\0';
    *ret = copy;
    return RC_OK;
}

static enum rc check_ascii(const char *name, const char *typed, struct err *err)
{
    static const char ldh[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    struct str rest = str_from(name), label;
    if (rest.n > NAME_LEN_MAX)
        return refuse(err, &bad_length, typed);
    if (strspn(name, ldh) != rest.n)
        return refuse(err, &bad_chars, typed);
    while (str_split(&rest, '.', &label))
        if (label.n > LABEL_MAX)
            return refuse(err, &bad_length, typed);
    if (!host_is_valid(name))
        return refuse(err, &bad_syntax, typed);
    return RC_OK;
}

/* Trims ASCII white space and the ideographic space that Japanese input methods leave behind. */
static struct str trim(struct str s)
{
    static const char wide[] = "\xE3\x80\x80";
    for (size_t before = s.n + 1; s.n < before;) {
        before = s.n;
        s = str_trim(s);
        if (str_starts(s, wide))
            s = (struct str){s.p + 3, s.n - 3};
        if (str_ends(s, wide))
            s.n -= 3;
    }
    return s;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c == 0x7f)
            return true;
    }
    return false;
}

static enum rc normalise_dns(struct arena *a, const char *s, const char *typed, const char **ret,
                             bool *ret_is_ip, struct err *err)
{
    bool wildcard = str_starts(str_from(s), "*.");
    char *name = NULL;

    if (strchr(wildcard ? s + 2 : s, '*'))
        return refuse(err, &bad_wildcard, typed);
    TRY(to_ascii(a, wildcard ? s + 2 : s, typed, &name, err));
    /* full-width digits may have become an address only now */
    const char *ip = ip_text(a, name, ret_is_ip);
    if (*ret_is_ip) {
        *ret = ip;
        if (wildcard)
            return refuse(err, &bad_wildcard, typed);
        return ip ? RC_OK : NOMEM(err);
    }
    if (wildcard && !strchr(name, '.'))
        return refuse(err, &bad_wildcard, typed);
    if (wildcard)
        name = arena_printf(a, "*.%s", name);
    if (!name)
        return NOMEM(err);
    if (strlen(name) > NAME_LEN_MAX)
        return refuse(err, &bad_length, typed);
    *ret = name;
    return check_ascii(wildcard ? name + 2 : name, typed, err);
}

enum rc name_normalise(struct arena *a, const char *typed, const char **ret_name, bool *ret_is_ip,
                       struct err *err)
{
    struct str t = trim(str_from(typed));
    const char *name = NULL;
    bool is_ip = false;

    CHECK(t.n > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("codec.name_empty", "a name is empty; give a domain name or an IP address",
              "名前が空です。ドメイン名または IP アドレスを指定してください"));
    if (!str_is_utf8(t))
        return refuse(err, &bad_chars, "?");
    if (t.n > TYPED_MAX)
        return refuse(err, &bad_length, typed);
    if (has_control(t))
        return refuse(err, &bad_chars, typed);
    const char *s = arena_str(a, t);
    if (!s)
        return NOMEM(err);
    name = ip_text(a, s, &is_ip);
    if (is_ip && !name)
        return NOMEM(err);
    if (!is_ip)
        TRY(normalise_dns(a, s, s, &name, &is_ip, err));
    *ret_name = name;
    *ret_is_ip = is_ip;
    return RC_OK;
}

/*
 * Display. Scripts are bits; a label is shown when one of the allowed combinations holds all its
 * characters. What is not listed (right-to-left scripts, combining marks, phonetic letters, dots
 * and slashes in disguise) is shown as A-label.
 */
enum script {
    COMMON = 1, /* ASCII digits and hyphen */
    LATIN = 2,
    GREEK = 4,
    CYRILLIC = 8,
    HAN = 16,
    KANA = 32,
    HANGUL = 64,
    THAI = 128
};

static const struct {
    uint32_t from, to;
    enum script script;
} scripts[] = {
    {'-', '-', COMMON},      {'0', '9', COMMON},         {'a', 'z', LATIN},
    {0x00DF, 0x00F6, LATIN}, {0x00F8, 0x0130, LATIN},    {0x0132, 0x0137, LATIN},
    {0x0139, 0x0148, LATIN}, {0x014A, 0x017E, LATIN},    {0x01A1, 0x01A1, LATIN},
    {0x01B0, 0x01B0, LATIN}, {0x0218, 0x021B, LATIN},    {0x03AC, 0x03CE, GREEK},
    {0x0390, 0x0390, GREEK}, {0x0430, 0x045F, CYRILLIC}, {0x0491, 0x0491, CYRILLIC},
    {0x0E01, 0x0E3A, THAI},  {0x0E40, 0x0E4E, THAI},     {0x1EA0, 0x1EF9, LATIN},
    {0x3005, 0x3007, HAN},   {0x3041, 0x3096, KANA},     {0x309D, 0x309E, KANA},
    {0x30A1, 0x30FA, KANA},  {0x30FC, 0x30FE, KANA},     {0x3400, 0x4DBF, HAN},
    {0x4E00, 0x9FFF, HAN},   {0xAC00, 0xD7A3, HANGUL},   {0x20000, 0x2FFFF, HAN},
};

static const unsigned allowed[] = {
    COMMON | LATIN | HAN | KANA,
    COMMON | LATIN | HAN | HANGUL,
    COMMON | GREEK,
    COMMON | CYRILLIC,
    COMMON | THAI,
};

static unsigned script_of(uint32_t c)
{
    for (size_t i = 0; i < COUNT_OF(scripts); i++)
        if (c >= scripts[i].from && c <= scripts[i].to)
            return scripts[i].script;
    return 0;
}

/* Greek and Cyrillic letters that pass for Latin ones: a label of these alone is a disguise. */
static bool is_twin(uint32_t c)
{
    static const uint16_t twins[] = {
        0x03B1, 0x03B3, 0x03B9, 0x03BA, 0x03BD, 0x03BF, 0x03C1, 0x03C3, 0x03C4, 0x03C5,
        0x03C7, 0x03C9, 0x03CC, 0x03AF, 0x03AC, 0x03CD, 0x0430, 0x0432, 0x0433, 0x0435,
        0x043A, 0x043C, 0x043D, 0x043E, 0x043F, 0x0440, 0x0441, 0x0442, 0x0443, 0x0445,
        0x044A, 0x044C, 0x0451, 0x0455, 0x0456, 0x0457, 0x0458, 0x045B,
    };
    for (size_t i = 0; i < COUNT_OF(twins); i++)
        if (twins[i] == c)
            return true;
    return false;
}

/* Kana and Han strokes that pass for a slash, hyphen or bar when they stand beside ASCII. */
static bool is_stroke(uint32_t c)
{
    static const uint16_t strokes[] = {0x3078, 0x309D, 0x309E, 0x30BD, 0x30BE, 0x30CE,
                                       0x30D8, 0x30F3, 0x30FC, 0x30FD, 0x30FE, 0x4E00,
                                       0x4E28, 0x4E36, 0x4E3F, 0x3006, 0x3007, 0x30FA};
    for (size_t i = 0; i < COUNT_OF(strokes); i++)
        if (strokes[i] == c)
            return true;
    return false;
}

/* s is valid UTF-8 and not empty. */
static uint32_t next_char(struct str *s)
{
    unsigned char lead = (unsigned char)s->p[0];
    size_t n = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? lead : lead & (0x7FU >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s->p[i] & 0x3FU);
    s->p += n;
    s->n -= n;
    return c;
}

static bool is_plain(struct str label)
{
    unsigned seen = 0;
    bool all_twins = true;
    uint32_t before = 0;

    if (!str_is_utf8(label))
        return false;
    while (label.n > 0) {
        uint32_t c = next_char(&label);
        unsigned script = script_of(c);
        if (script == 0)
            return false;
        if ((is_stroke(c) && before && before < 0x80) || (is_stroke(before) && c < 0x80))
            return false;
        seen |= script;
        all_twins = all_twins && (script == COMMON || is_twin(c));
        before = c;
    }
    if ((seen & (GREEK | CYRILLIC)) && all_twins)
        return false;
    for (size_t i = 0; i < COUNT_OF(allowed); i++)
        if ((seen & ~allowed[i]) == 0)
            return true;
    return false;
}

/* Appends the U-label; false when it must not be shown. */
static bool add_unicode(struct str label, struct buf *out)
{
    char ascii[LABEL_MAX + 1], *text = NULL, *back = NULL;
    if (label.n > LABEL_MAX)
        return false;
    memcpy(ascii, label.p, label.n);
    ascii[label.n] = '\0';
    bool fine = idn2_to_unicode_8z8z(ascii, &text, IDN2_NONTRANSITIONAL) == IDN2_OK &&
                idn2_to_ascii_8z(text, &back, TO_ASCII) == IDN2_OK && strcmp(back, ascii) == 0 &&
                is_plain(str_from(text));
    if (fine)
        buf_adds(out, text);
    idn2_free(text);
    idn2_free(back);
    return fine;
}

const char *name_display(struct arena *a, const char *name)
{
    struct str rest = str_from(name), label;
    AUTO(buf) struct buf out = BUF(4 * (NAME_LEN_MAX + 1));
    bool first = true, changed = false;

    /* a stranger's certificate may name anything: convert only inside well-formed names */
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-.*_";
    if (strspn(rest.p, plain) != rest.n)
        return name;
    if (rest.n > NAME_LEN_MAX)
        return name;
    while (str_split(&rest, '.', &label)) {
        if (!first)
            buf_addc(&out, '.');
        first = false;
        if (!str_starts(label, "xn--")) {
            buf_addstr(&out, label);
            continue;
        }
        if (!add_unicode(label, &out))
            return name;
        changed = true;
    }
    if (!changed || buf_ok(&out, NULL) != RC_OK)
        return name;
    const char *shown = arena_str(a, buf_str(&out));
    return shown ? shown : name;
}

static struct str without_dot(const char *s)
{
    struct str v = str_from(s);
    if (v.n > 1 && v.p[v.n - 1] == '.')
        v.n--;
    return v;
}

static bool same_ip(const char *x, const char *y)
{
    unsigned char a[16], b[16];
    if (inet_pton(AF_INET, x, a) == 1)
        return inet_pton(AF_INET, y, b) == 1 && memcmp(a, b, 4) == 0;
    return inet_pton(AF_INET6, x, a) == 1 && inet_pton(AF_INET6, y, b) == 1 &&
           memcmp(a, b, 16) == 0;
}

bool name_covers(const char *presented, const char *host)
{
    struct str p = without_dot(presented), h = without_dot(host), label;

    if (p.n == 0 || h.n == 0)
        return false;
    if (host_is_ip(host, NULL))
        return same_ip(presented, host);
    if (str_ieq(p, h))
        return true;
    if (!str_starts(p, "*."))
        return false;
    p = (struct str){p.p + 2, p.n - 2};
    /* one label, not part of one; and never a whole top-level domain */
    return memchr(p.p, '.', p.n) && !memchr(p.p, '*', p.n) && str_split(&h, '.', &label) &&
           label.n > 0 && str_ieq(p, h);
}
