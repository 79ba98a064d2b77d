/*
 * Messages between our own processes over SOCK_SEQPACKET pairs: one datagram is one frame.
 *
 *     frame = magic 'I' 'N' | version u8 | kind u8 | id u32 | length u32 | payload
 *
 * payload is a sequence of fields: tag u8 | length u32 | bytes (all big-endian). Unknown tags are
 * ignored, so that versions can meet; a malformed frame is an error and closes the channel. At most
 * one descriptor travels with a frame. What waits in a channel is bounded by its buffer. Blocking
 * calls with a deadline; one thread per channel end.
 */
#ifndef INRO_NET_IPC_H
#define INRO_NET_IPC_H

#include "base/buf.h"

enum { IPC_VERSION = 1, IPC_MAX_FRAME = 192 * 1024, IPC_HEADER = 12 };

enum ipc_kind {
    IPC_NONE = 0,
    /* supervisor <-> role */
    IPC_HELLO,   /* role -> supervisor: ready */
    IPC_PEER,    /* supervisor -> role: descriptor = a channel to the role named in tag 1 */
    IPC_STOP,    /* supervisor -> role: finish the safe step and leave */
    IPC_WAKE,    /* front -> worker: new work may be there */
    IPC_EVENT,   /* worker -> front: JSON for live listeners (tag 1) */
    IPC_PROBE,   /* front/worker -> prober: JSON request; answer IPC_REPLY */
    IPC_CHANNEL, /* client -> vault: descriptor = one more channel (one per thread) */
    IPC_REPLY,
    IPC_ERROR, /* an error value as JSON (tag 1) */
    IPC_RUN,   /* worker -> runner: a command; answer IPC_REPLY (app/run_ipc.h) */
    /* client -> vault, see vault/vault.h */
    IPC_VAULT_FIRST = 32,
    IPC_VAULT_LAST = 63
};

struct ipc_frame {
    enum ipc_kind kind;
    uint32_t id;
    struct str payload; /* borrowed from the receive buffer or the arena */
    int fd;             /* -1 or a received descriptor, owned by the receiver */
};

/* Building a payload. */
void ipc_put(struct buf *b, uint8_t tag, struct str value);
void ipc_put_i64(struct buf *b, uint8_t tag, int64_t v);
/* Reading: nth occurrence of tag; false when absent or malformed. */
bool ipc_get(struct str payload, uint8_t tag, size_t nth, struct str *ret);
bool ipc_get_i64(struct str payload, uint8_t tag, int64_t *ret);
/* Field by field: struct ipc_walk w = {payload}; while (ipc_next(&w, &tag, &value)) ... */
struct ipc_walk {
    struct str rest;
};
bool ipc_next(struct ipc_walk *w, uint8_t *ret_tag, struct str *ret_value);
/* Checks the whole payload's structure. */
bool ipc_valid(struct str payload);
/* Parses one received datagram (fuzzed). */
MUST enum rc ipc_parse(struct str datagram, struct ipc_frame *ret, struct err *err);

MUST enum rc ipc_pair(int ret_fds[2], struct err *err); /* CLOEXEC, large buffers */
/* No peer that stops reading holds the sender up: RC_TIMEOUT at the deadline (clock_mono) when the
 * channel stays full, RC_BUSY at once with IPC_NOW. The channel is as before then: the frame is not
 * in it. RC_NET: the peer is gone. */
#define IPC_NOW 0
MUST enum rc ipc_send(int fd, int64_t deadline, enum ipc_kind kind, uint32_t id, struct str payload,
                      int pass_fd, struct err *err);
/* For answers to whoever asked and waits: the deadline some seconds from now. */
int64_t ipc_soon(void);
/* buf holds the datagram (a secret buffer when secrets may come); RC_NET "closed" at the end,
 * RC_TIMEOUT at the deadline (clock_mono; 0 = none). */
MUST enum rc ipc_recv(int fd, int64_t deadline, struct buf *buf, struct ipc_frame *ret,
                      struct err *err);

#endif
