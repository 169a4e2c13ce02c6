#include "signal/head.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#include "unit.h"

/* RFC 6455 section 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define SWITCHES "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADES "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define GRANTED SWITCHES UPGRADES ACCEPT "\r\n"

static struct head head;
static size_t rest; /* what was not taken */

/* In pieces of at most `piece` bytes. */
static enum head_result take_in_pieces(const char *text, size_t length, size_t piece)
{
    enum head_result result = HEAD_MORE;
    head_init(&head, KEY);
    rest = length;
    while (rest > 0 && result == HEAD_MORE) {
        size_t fed = rest < piece ? rest : piece, left = fed;
        const uint8_t *at = (const uint8_t *)text + (length - rest), *from = at;
        result = head_take(&head, &at, &left);
        ck_assert_uint_eq((size_t)(at - from), fed - left);
        if (result == HEAD_MORE)
            ck_assert_uint_eq(left, 0);
        rest -= fed - left;
    }
    return result;
}

static enum head_result take(const char *text)
{
    return take_in_pieces(text, strlen(text), SIZE_MAX);
}

START_TEST(what_grants_a_websocket)
{
    static const char *const answers[] = {
        GRANTED,
        SWITCHES "X-Signal-Timestamp: 1\r\n" UPGRADES "Vary: x\r\n" ACCEPT "\r\n",
        "HTTP/1.1 101\r\n" UPGRADES ACCEPT "\r\n",
        "HTTP/1.1 101 \r\n" UPGRADES ACCEPT "\r\n",
        SWITCHES "UPGRADE:WebSocket\r\nCONNECTION:keep-alive ,\t UPGRADE\r\n" ACCEPT "\r\n",
        SWITCHES "upgrade: \twebsocket \t\r\nconnection: upgrade\r\n" ACCEPT "\r\n",
        SWITCHES "Connection: close\r\n" UPGRADES ACCEPT "\r\n",
        SWITCHES UPGRADES ACCEPT ACCEPT "\r\n",
        SWITCHES UPGRADES ACCEPT "Sec-WebSocket-Extensions:\r\n\r\n",
        "HTTP/1.1 101 x\nUpgrade: websocket\nConnection: Upgrade\n" ACCEPT "\n",
        "HTTP/1.1 100 Continue\r\n\r\n" GRANTED,
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 x\r\n\r\n" GRANTED,
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        ck_assert_msg(take(answers[i]) == HEAD_DONE, "row %zu", i);
        ck_assert_int_eq(head.status, 101);
        ck_assert_msg(head_grants(&head), "row %zu", i);
        ck_assert_uint_eq(rest, 0);
    }
}
END_TEST

START_TEST(what_grants_none)
{
    static const char *const answers[] = {
        SWITCHES "\r\n",
        SWITCHES UPGRADES "\r\n",
        SWITCHES ACCEPT "\r\n",
        SWITCHES "Connection: Upgrade\r\n" ACCEPT "\r\n",
        SWITCHES "Upgrade: websocket\r\n" ACCEPT "\r\n",
        SWITCHES "Upgrade: websockets\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
        SWITCHES "Upgrade: websocket\r\nConnection: not-Upgrade\r\n" ACCEPT "\r\n",
        SWITCHES "Upgrade: websocket\r\nConnection:\r\n Upgrade\r\n" ACCEPT "\r\n",
        SWITCHES UPGRADES "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        SWITCHES UPGRADES "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n\r\n",
        SWITCHES UPGRADES "Sec-WebSocket-Accept:\r\n\r\n",
        SWITCHES UPGRADES "Sec-WebSocket-Accept : s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        SWITCHES UPGRADES ACCEPT "Sec-WebSocket-Accept: bm90IHRoaXM=\r\n\r\n",
        SWITCHES UPGRADES "Sec-WebSocket-Accept: bm90IHRoaXM=\r\n" ACCEPT "\r\n",
        SWITCHES UPGRADES ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        SWITCHES UPGRADES ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n",
        /* What an interim answer said does not count. */
        "HTTP/1.1 100 x\r\n" UPGRADES ACCEPT "\r\n" SWITCHES "\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        ck_assert_msg(take(answers[i]) == HEAD_DONE, "row %zu", i);
        ck_assert_int_eq(head.status, 101);
        ck_assert_msg(!head_grants(&head), "row %zu", i);
    }
    ck_assert_int_eq(take("HTTP/1.1 200 OK\r\n" UPGRADES ACCEPT "\r\n"), HEAD_DONE);
    ck_assert(!head_grants(&head));
}
END_TEST

START_TEST(what_a_refusal_says)
{
    static const struct {
        const char *answer;
        int status;
        bool has_timestamp;
        int64_t retry_after_ms;
    } rows[] = {
        {"HTTP/1.1 403 Forbidden\r\nX-Signal-Timestamp: 1750000000002\r\n\r\n", 403, true, 0},
        {"HTTP/1.1 403 Forbidden\r\nx-signal-timestamp:1\r\nServer: x\r\n\r\n", 403, true, 0},
        {"HTTP/1.1 403 Forbidden\r\nX-Signal-Timestamp: \t\r\n\r\n", 403, false, 0},
        {"HTTP/1.1 403 Forbidden\r\nX-Signal-Timestamps: 1\r\n\r\n", 403, false, 0},
        {"HTTP/1.0 502 Bad Gateway\r\n\r\n", 502, false, 0},
        {"HTTP/1.9 499 499\r\n\r\n", 499, false, 0},
        {"HTTP/1.1 429 x\r\nRetry-After: 120\r\n\r\n", 429, false, 120000},
        {"HTTP/1.1 503 x\r\nretry-after:\t99999999 \r\n\r\n", 503, false, 3600 * 1000},
        {"HTTP/1.1 503 x\r\nRetry-After: tomorrow\r\n\r\n", 503, false, 0},
        {"HTTP/1.1 999 x\r\n\r\n", 999, false, 0},
        {"HTTP/1.1 100 x\r\nX-Signal-Timestamp: 1\r\nRetry-After: 9\r\n\r\nHTTP/1.1 404 x\r\n\r\n",
         404, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(take(rows[i].answer) == HEAD_DONE, "row %zu", i);
        ck_assert_int_eq(head.status, rows[i].status);
        ck_assert_msg(head.has_timestamp == rows[i].has_timestamp, "row %zu", i);
        ck_assert_int_eq(head.retry_after_ms, rows[i].retry_after_ms);
        ck_assert(!head_grants(&head));
    }
}
END_TEST

START_TEST(what_is_no_answer)
{
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\r\n",
        "\n",
        " HTTP/1.1 200 OK\r\n",
        "http/1.1 200 OK\r\n",
        "HTTP/2 200\r\n",
        "HTTP/1.1\r\n",
        "HTTP/1.1 20\r\n",
        "HTTP/1.1 2000\r\n",
        "HTTP/1.1 20x OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 099 x\r\n",
        "HTTP/1.1 -10 x\r\n",
        "HTTP/1.x 200 OK\r\n",
        "HTTP/1.0 101 x\r\n" UPGRADES ACCEPT "\r\n",
        "HTTP/1.1 200 OK\r\nno field\r\n",
        "HTTP/1.1 100 x\r\n\r\n\r\n",
        "HTTP/1.1 100 x\r\n\r\nX-Signal-Timestamp: 1\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        ck_assert_msg(take(answers[i]) == HEAD_WRONG, "row %zu", i);
        ck_assert(!head_grants(&head));
    }
    ck_assert_int_eq(take_in_pieces("HTTP/1.1 200 \0OK\r\n", 18, 1), HEAD_WRONG);
    /* It is known at the first byte that says so. */
    ck_assert_int_eq(take("HTTP/3"), HEAD_WRONG);
    ck_assert_int_eq(take("<"), HEAD_WRONG);
    ck_assert_int_eq(take("HTT"), HEAD_MORE);
}
END_TEST

START_TEST(nothing_is_told_after_what_is_wrong)
{
    const uint8_t *more = (const uint8_t *)GRANTED;
    size_t length = strlen(GRANTED);
    ck_assert_int_eq(take("nonsense"), HEAD_WRONG);
    ck_assert_int_eq(head_take(&head, &more, &length), HEAD_WRONG);
    ck_assert_uint_eq(length, strlen(GRANTED));
}
END_TEST

START_TEST(it_may_come_in_pieces_of_any_size)
{
    static const char answer[] =
        "HTTP/1.1 103 x\r\nLink: a\r\n\r\n" SWITCHES UPGRADES ACCEPT "\r\n\x82\x03one";
    for (size_t piece = 1; piece <= sizeof answer; piece++) {
        ck_assert_int_eq(take_in_pieces(answer, sizeof answer - 1, piece), HEAD_DONE);
        ck_assert(head_grants(&head));
        ck_assert_uint_eq(rest, 5); /* what follows is left to whoever reads frames */
    }
    for (size_t length = 0; length < strlen(GRANTED); length++) {
        ck_assert_int_eq(take_in_pieces(GRANTED, length, SIZE_MAX), HEAD_MORE);
        ck_assert(!head_grants(&head));
    }
}
END_TEST

/* A refusal whose fields take so many bytes in lines of `line` bytes. */
static enum head_result take_long(size_t most, size_t line)
{
    struct buf text;
    buf_init(&text, most + 100);
    buf_add_text(&text, "HTTP/1.1 403 Forbidden\r\n");
    while (text.length + line + 30 <= most) {
        buf_add_text(&text, "X-Long: ");
        for (size_t i = 10; i < line; i++)
            buf_add(&text, "x", 1);
        buf_add_text(&text, "\r\n");
    }
    buf_add_text(&text, "X-Signal-Timestamp: 1\r\n\r\n");
    enum head_result result = take_in_pieces((const char *)text.bytes, text.length, SIZE_MAX);
    buf_fini(&text);
    return result;
}

START_TEST(its_length_is_bounded)
{
    static const size_t lines[] = {10,  100, HEAD_LINE_MAX - 1, HEAD_LINE_MAX, HEAD_LINE_MAX + 1,
                                   8000};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ck_assert_msg(take_long(HEAD_MAX, lines[i]) == HEAD_DONE, "lines of %zu", lines[i]);
        ck_assert(head.has_timestamp);
        ck_assert_int_eq(take_long(2 * HEAD_MAX, lines[i]), HEAD_WRONG);
    }
    char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const uint8_t *at = NULL;
    enum head_result result = HEAD_MORE;
    size_t fed = 0, left = 0;
    head_init(&head, KEY);
    for (; result == HEAD_MORE && fed <= HEAD_MAX; fed += sizeof interim - 1) {
        at = (const uint8_t *)interim;
        left = sizeof interim - 1;
        result = head_take(&head, &at, &left);
    }
    ck_assert_int_eq(result, HEAD_WRONG);
}
END_TEST

/* What does not fit is not looked at; what it says counts for nothing. */
START_TEST(long_lines_are_cut)
{
    char name[HEAD_LINE_MAX + 40], answer[2048];
    memset(name, 'x', sizeof name);
    snprintf(answer, sizeof answer,
             SWITCHES "%.*s: y\r\nConnection: %.*s, Upgrade\r\nUpgrade: websocket\r\n" ACCEPT
                      "\r\n",
             (int)sizeof name, name, (int)sizeof name, name);
    ck_assert_int_eq(take(answer), HEAD_DONE);
    ck_assert(!head_grants(&head));
}
END_TEST

UNIT_MAIN("head", what_grants_a_websocket, what_grants_none, what_a_refusal_says, what_is_no_answer,
          nothing_is_told_after_what_is_wrong, it_may_come_in_pieces_of_any_size,
          its_length_is_bounded, long_lines_are_cut)
