/*
 * Which passwords are taken. Length does most; what remains is what everybody tries first: the
 * words of passwords.def and keyboard rows, however they are capitalised, spelt with digits for
 * letters, repeated, or dressed with digits and signs.
 */
#include <string.h>

#include "api/priv.h"

enum { SHORTEST = 12, LONGEST = 1024, DISTINCT = 5, MOST_WORDS = 3 };

static const char *const common[] = {
#define WORD(w) #w,
#include "api/passwords.def"
#undef WORD
};

/* Rows that are typed along, both ways. */
static const char *const rows[] = {"01234567890123456789012345678901234567890123456789",
                                   "abcdefghijklmnopqrstuvwxyz",
                                   "qwertyuiopasdfghjklzxcvbnm",
                                   "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
                                   "1q2w3e4r5t6y7u8i9o0p",
                                   "qazwsxedcrfvtgbyhnujmikolp",
                                   "asdfghjklasdfghjkl",
                                   "zxcvbnmzxcvbnm",
                                   "qwertyuiopqwertyuiop",
                                   "あいうえおかきくけこさしすせそたちつてとなにぬねの"};

/* Lower case, with the letters that digits and signs stand for. */
static char plain(char c)
{
    static const char from[] = "0134578@$!+|", to[] = "oieastbasitl";
    if (c >= 'A' && c <= 'Z')
        return (char)(c | 0x20);
    const char *at = c ? strchr(from, c) : NULL;
    return at ? to[at - from] : c;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* The part between the first and the last letter. */
static struct str core_of(const char *password)
{
    size_t from = 0, to = strlen(password);
    while (from < to && !is_letter(password[from]))
        from++;
    while (to > from && !is_letter(password[to - 1]))
        to--;
    return (struct str){password + from, to - from};
}

static bool same(struct str s, const char *word, bool leet)
{
    size_t n = strlen(word);
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c =
            leet ? plain(s.p[i]) : (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i]);
        if (c != word[i])
            return false;
    }
    return true;
}

/* Nothing but a few common words one after another, digits and signs between them allowed. Four
 * words and more are a pass phrase. */
static bool only_words(struct str s, int depth)
{
    while (s.n > 0 && !is_letter(s.p[0]) && plain(s.p[0]) == s.p[0])
        s = (struct str){s.p + 1, s.n - 1};
    if (s.n == 0)
        return true;
    for (size_t i = 0; depth < MOST_WORDS && i < COUNT_OF(common); i++) {
        size_t n = strlen(common[i]);
        if (n > s.n)
            continue;
        struct str head = {s.p, n};
        if ((same(head, common[i], false) || same(head, common[i], true)) &&
            only_words((struct str){s.p + n, s.n - n}, depth + 1))
            return true;
    }
    return !is_letter(s.p[0]) && only_words((struct str){s.p + 1, s.n - 1}, depth);
}

/* "abcabcabc" -> "abc": what is repeated is as good as once. */
static struct str period_of(const char *password)
{
    size_t n = strlen(password);
    for (size_t p = 1; p <= n / 2; p++) {
        size_t i = p;
        while (i < n && password[i] == password[i - p])
            i++;
        if (i == n)
            return (struct str){password, p};
    }
    return (struct str){password, n};
}

static bool in_a_row(const char *password)
{
    char low[LONGEST + 1];
    size_t n = strlen(password);
    for (size_t i = 0; i < n; i++)
        low[i] =
            (char)(password[i] >= 'A' && password[i] <= 'Z' ? password[i] | 0x20 : password[i]);
    low[n] = '\0';
    for (int way = 0; way < 2; way++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++)
            if (strstr(rows[i], low))
                return true;
        for (size_t i = 0; i < n / 2; i++) {
            char c = low[i];
            low[i] = low[n - 1 - i];
            low[n - 1 - i] = c;
        }
    }
    return false;
}

static int distinct(const char *password)
{
    bool seen[256] = {false};
    int n = 0;
    for (const char *p = password; *p; p++) {
        n += !seen[(unsigned char)*p];
        seen[(unsigned char)*p] = true;
    }
    return n;
}

/* The login itself, or its part before the @ when that is a word of some length. */
static bool holds_login(const char *password, const char *login)
{
    char local[64];
    size_t n = strcspn(login, "@");
    if (strcasestr(password, login))
        return true;
    if (n < 4 || n >= sizeof local)
        return false;
    memcpy(local, login, n);
    local[n] = '\0';
    return strcasestr(password, local) != NULL;
}

enum rc password_policy(const char *login, const char *password, struct err *err)
{
    size_t n = strlen(password);
    CHECK(n >= SHORTEST, err, RC_INPUT, BLAME_INPUT,
          MSG("api.password_short", "the password needs at least 12 characters",
              "パスワードは 12 文字以上にしてください"));
    CHECK(n <= LONGEST, err, RC_INPUT, BLAME_INPUT,
          MSG("api.password_long", "the password may have at most 1024 bytes",
              "パスワードは 1024 バイト以下にしてください"));
    bool weak = holds_login(password, login) || distinct(password) < DISTINCT ||
                in_a_row(password) || only_words(core_of(password), 0) ||
                only_words(period_of(password), 0);
    CHECK(!weak, err, RC_INPUT, BLAME_INPUT,
          MSG("api.password_weak",
              "the password holds the login name or is one of the most used; choose another",
              "ログイン名を含むパスワードや、よく使われるパスワードは使えません"));
    return RC_OK;
}
