/*
 * Errors: a small return code for control flow, and an error value for the facts.
 *
 * A function that can fail returns `enum rc` (must be checked) and takes `struct err *err` last.
 * The value lives on the stack of whoever can act on it; it holds no pointers, so it may be copied,
 * sent to another process or stored as JSON. `err` may be NULL when only the code matters.
 *
 * Text: one line, what failed and why, and what to do; no repetition of the caller. Callers add
 * context with err_while(), never replacing the cause. Floors 0-4 never log; job and api log once.
 */
#ifndef INRO_BASE_ERR_H
#define INRO_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST         __attribute__((warn_unused_result))
#define FORMAT(f, a) __attribute__((format(printf, f, a)))

enum rc {
    RC_OK = 0,
    RC_NOMEM,       /* allocation failed, or a limit of ours was reached */
    RC_INPUT,       /* what was given is wrong; nothing was changed */
    RC_NOT_FOUND,   /* the named thing does not exist */
    RC_EXISTS,      /* the name is taken */
    RC_CONFLICT,    /* changed by someone else meanwhile, or the state does not allow it */
    RC_AUTH,        /* who you are is not proven */
    RC_DENIED,      /* you are known, and may not */
    RC_TIMEOUT,     /* a deadline passed */
    RC_CANCELLED,   /* asked to stop */
    RC_NET,         /* connection failed */
    RC_TLS,         /* TLS or SSH trust failed */
    RC_REMOTE,      /* the other side answered with a failure or with garbage */
    RC_RATE,        /* the other side asked us to wait (see retry_at) */
    RC_BUSY,        /* our store or a lock is busy; try again */
    RC_CORRUPT,     /* stored data fails its integrity check */
    RC_UNSUPPORTED, /* a thing this build or peer cannot do */
    RC_LICENCE,     /* the licence does not cover it */
    RC_FULL,        /* no space left on a disk, or over a quota; nothing was saved */
    RC_INTERNAL,    /* our own defect or environment (disk, memory, child process) */
    RC_COUNT
};

/* Whose fault it is; it decides the retry plan (model/retry.h). */
enum blame { BLAME_UNKNOWN = 0, BLAME_INPUT, BLAME_REMOTE, BLAME_NETWORK, BLAME_US };

/* A message in both languages. {0}..{3} are replaced by the arguments. */
struct msg {
    const char *id; /* stable, "room.what", for programs */
    const char *en;
    const char *ja;
};

/* A static message usable as an expression inside a function. */
#define MSG(id_, en_, ja_)                                                                         \
    (__extension__({                                                                               \
        static const struct msg msg_here_ = {(id_), (en_), (ja_)};                                 \
        &msg_here_;                                                                                \
    }))

enum { ERR_ARGS = 4, ERR_FRAMES = 4 };

struct err_frame {
    char en[120];
    char ja[160];
};

struct err {
    enum rc rc;
    enum blame blame;
    int64_t retry_at; /* UTC microseconds; 0 = the engine decides */
    char id[64];
    char en[512];
    char ja[640];
    char field[64];   /* which setting or input field, if input is to blame; dotted path */
    char remote[128]; /* problem URN, "HTTP 429", SMTP reply code ... */
    char where[48];   /* file:line of the first failure; for logs, not for people */
    int frames;
    struct err_frame up[ERR_FRAMES]; /* "while ...", innermost first */
};

/*
 * Sets *err and returns rc. args is a NULL-terminated array of strings, at most ERR_ARGS used.
 * Control characters in args are replaced, so remote text cannot forge lines. err may be NULL.
 */
MUST enum rc err_set(struct err *err, enum rc rc, enum blame blame, const struct msg *m,
                     const char *file, int line, const char *const *args);

#define FAIL(err, rc, blame, m, ...)                                                               \
    err_set((err), (rc), (blame), (m), __FILE__, __LINE__,                                         \
            (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Adds "while ..." to a failure that is being handed on. Returns rc unchanged. */
MUST enum rc err_while_(struct err *err, enum rc rc, const struct msg *m, const char *const *args);
#define WHILE(err, rc, m, ...)                                                                     \
    err_while_((err), (rc), (m), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Names the input field at fault (kept if one is set already, the prefix is put before it). */
void err_field(struct err *err, const char *field);
/* What the remote said, in short; control characters are replaced. */
void err_remote(struct err *err, const char *remote);

const char *rc_name(enum rc rc);          /* "not_found"; for JSON */
enum rc rc_from_name(const char *name);   /* RC_INTERNAL when unknown */
const char *blame_name(enum blame blame); /* "input", "remote", "network", "us", "unknown" */
enum blame blame_from_name(const char *name);

/* Renders m with args into out (always terminated). lang is "ja" or anything else for English. */
void msg_render(const struct msg *m, const char *lang, const char *const *args, char *out,
                size_t out_size);
/* The whole text with its frames: "cause (while ...; while ...)". */
void err_text(const struct err *err, const char *lang, char *out, size_t out_size);

/* A number as a FAIL argument; lives to the end of the enclosing block. */
#define NUM(v) err_num((char[24]){0}, (int64_t)(v))
const char *err_num(char buf[24], int64_t v);

/* The guard vocabulary, all of it. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum rc try_rc_ = (expr);                                                                  \
        if (try_rc_ != RC_OK)                                                                      \
            return try_rc_;                                                                        \
    } while (0)

#define CHECK(cond, err, rc, blame, m, ...)                                                        \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return FAIL((err), (rc), (blame), (m)__VA_OPT__(, ) __VA_ARGS__);                      \
    } while (0)

/* AUTO(buf) struct buf b = ...;  calls buf_cleanup(&b) at the end of the scope. */
#define AUTO(type) __attribute__((cleanup(type##_cleanup)))

/* Hands a pointer (or fd) on: the variable is emptied so that AUTO does not free it. */
#define TAKE(p)                                                                                    \
    (__extension__({                                                                               \
        __typeof__(p) take_ = (p);                                                                 \
        (p) = NULL;                                                                                \
        take_;                                                                                     \
    }))

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Out of memory, the one error every room can have. */
#define NOMEM(err)                                                                                 \
    FAIL((err), RC_NOMEM, BLAME_US,                                                                \
         MSG("base.nomem", "out of memory or over an internal limit",                              \
             "メモリが不足しているか、内部の上限を超えました"))

#endif
