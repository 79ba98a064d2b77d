/* JSON: what is accepted must be written and read back as the same, and never crash a reader. */
#include <stdint.h>
#include <stdlib.h>

#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf written(const struct json *j)
{
    struct buf b = BUF(128 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_json(&w, j);
    if (buf_ok(&b, NULL) != RC_OK)
        abort();
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json) struct json *first = NULL;
    AUTO(json) struct json *second = NULL;
    struct err err = {0};

    if (json_parse((struct str){(const char *)data, size}, &first, &err) != RC_OK) {
        if (first || !err.en[0] || !err.ja[0])
            abort();
        return 0;
    }
    AUTO(buf) struct buf once = written(first);
    if (once.len > 16 << 20)
        return 0;
    if (json_parse(buf_str(&once), &second, NULL) != RC_OK)
        abort();
    AUTO(buf) struct buf twice = written(second);
    if (!str_eq(buf_str(&once), buf_str(&twice)))
        abort();
    json_to_err(first, &err);
    return 0;
}
