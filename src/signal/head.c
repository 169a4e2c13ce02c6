#include "signal/head.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/b64.h"
#include "signal/answer.h"

enum { STATUS_UPGRADED = 101, STATUS_FINAL = 200, SHA1_SIZE = 20 };

/* RFC 6455 section 1.3. */
static void accept_for(char accept[HEAD_ACCEPT_SIZE], const char *key)
{
    char text[HEAD_KEY_SIZE + 36];
    uint8_t hash[EVP_MAX_MD_SIZE] = {0};
    int length = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    EVP_Digest(text, (size_t)length, hash, NULL, EVP_sha1(), NULL);
    b64_encode(accept, hash, SHA1_SIZE);
}

void head_init(struct head *head, const char *key)
{
    *head = (struct head){.result = HEAD_MORE};
    accept_for(head->accept, key);
}

/* Fields */

/* Without the space around it. */
static void trim(const char **text, size_t *length)
{
    while (*length > 0 && ((*text)[0] == ' ' || (*text)[0] == '\t')) {
        ++*text;
        --*length;
    }
    while (*length > 0 && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t'))
        --*length;
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

/* Whether one in a list, separated by commas, is that word. */
static bool has_word(const char *list, size_t length, const char *word)
{
    const char *end = list + length;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *one = list;
        size_t one_length = (size_t)((comma ? comma : end) - list);
        trim(&one, &one_length);
        if (is_word(one, one_length, word))
            return true;
        list = comma ? comma + 1 : end;
    }
    return false;
}

static void take_field(struct head *head, const char *name, size_t name_length, const char *value,
                       size_t length)
{
    if (is_word(name, name_length, "upgrade")) {
        head->has_upgrade |= has_word(value, length, "websocket");
    } else if (is_word(name, name_length, "connection")) {
        head->has_connection |= has_word(value, length, "upgrade");
    } else if (is_word(name, name_length, "sec-websocket-accept")) {
        bool is_right = length == strlen(head->accept) && memcmp(value, head->accept, length) == 0;
        head->accepts |= is_right;
        head->wrong_accepts |= !is_right;
    } else if (is_word(name, name_length, "sec-websocket-extensions") ||
               is_word(name, name_length, "sec-websocket-protocol")) {
        head->offers_more |= length > 0;
    } else if (is_word(name, name_length, "x-signal-timestamp")) {
        head->has_timestamp |= length > 0;
    } else if (is_word(name, name_length, "retry-after")) {
        head->retry_after_ms = answer_retry_after_ms(value, length);
    }
}

/* A line that begins with a space goes on with the field before it (section 5.2 of RFC 9112), as
 * none of those does that matter here. */
static bool take_field_line(struct head *head)
{
    const char *line = head->line, *colon = memchr(line, ':', head->length);
    if (line[0] == ' ' || line[0] == '\t')
        return true;
    if (!colon)
        return head->length == sizeof head->line; /* a name that has not ended yet */
    const char *value = colon + 1;
    size_t length = head->length - (size_t)(value - line);
    trim(&value, &length);
    take_field(head, line, (size_t)(colon - line), value, length);
    return true;
}

/* Lines */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 101 Switching Protocols"; the words may be missing, as some servers have it. */
static bool take_status_line(struct head *head)
{
    static const char version[] = "HTTP/1.";
    enum { DIGIT = sizeof version - 1, SPACE, STATUS, END = STATUS + 3 };
    const char *line = head->line;
    if (head->length < END || memcmp(line, version, DIGIT) != 0 || !is_digit(line[DIGIT]) ||
        line[SPACE] != ' ' || (head->length > END && line[END] != ' '))
        return false;
    int status = 0;
    for (size_t i = STATUS; i < END; i++) {
        if (!is_digit(line[i]))
            return false;
        status = 10 * status + line[i] - '0';
    }
    bool is_usable = status >= 100 && (status != STATUS_UPGRADED || line[DIGIT] != '0');
    head->status = is_usable ? status : 0;
    return is_usable;
}

/* An empty line ends a head; after an interim one everything begins anew. */
static enum head_result end_head(struct head *head)
{
    if (head->status >= STATUS_FINAL || head->status == STATUS_UPGRADED)
        return HEAD_DONE;
    struct head next = {.taken = head->taken};
    memcpy(next.accept, head->accept, sizeof next.accept);
    *head = next;
    return HEAD_MORE;
}

static enum head_result end_line(struct head *head)
{
    if (head->length > 0 && head->length < sizeof head->line &&
        head->line[head->length - 1] == '\r')
        head->length--;
    if (head->length == 0 && head->status)
        return end_head(head);
    bool is_right = head->status ? take_field_line(head) : take_status_line(head);
    head->length = 0;
    return is_right ? HEAD_MORE : HEAD_WRONG;
}

/* A first byte of something else is enough to know. */
static bool begins_like_http(const struct head *head)
{
    static const char start[] = "HTTP/1.";
    size_t length = head->length < strlen(start) ? head->length : strlen(start);
    return head->status || memcmp(head->line, start, length) == 0;
}

static enum head_result take_byte(struct head *head, char byte)
{
    if (++head->taken > HEAD_MAX)
        return HEAD_WRONG;
    if (byte == '\n')
        return end_line(head);
    if (byte == '\0')
        return HEAD_WRONG;
    if (head->length < sizeof head->line)
        head->line[head->length++] = byte;
    return begins_like_http(head) ? HEAD_MORE : HEAD_WRONG;
}

enum head_result head_take(struct head *head, const uint8_t **bytes, size_t *length)
{
    while (*length > 0 && head->result == HEAD_MORE) {
        head->result = take_byte(head, (char)**bytes);
        ++*bytes;
        --*length;
    }
    return head->result;
}

bool head_grants(const struct head *head)
{
    return head->result == HEAD_DONE && head->status == STATUS_UPGRADED && head->has_upgrade &&
           head->has_connection && head->accepts && !head->wrong_accepts && !head->offers_more;
}
