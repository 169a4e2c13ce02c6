#include "push/answer.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/text.h"

enum { DATE_SIZE = 64 }; /* the longest form, RFC 850's, has 33 characters */

void answer_clear(struct answer *answer)
{
    memset(answer, 0, offsetof(struct answer, body));
}

bool answer_begun(const struct answer *answer)
{
    return answer->head_bytes > 0;
}

/* "HTTP/1.1 201 Created": 201; 0 when it is not such a line. */
static int status_of(const char *line, size_t length)
{
    static const char version[] = "HTTP/1.";
    const size_t at = sizeof version + 1; /* behind the minor version and a space */
    if (length < at + 3 || memcmp(line, version, sizeof version - 1) != 0 || line[at - 1] != ' ')
        return 0;
    int status = 0;
    for (size_t i = at; i < at + 3; i++) {
        if (!isdigit((unsigned char)line[i]))
            return 0;
        status = status * 10 + (line[i] - '0');
    }
    bool more_digits = length > at + 3 && isdigit((unsigned char)line[at + 3]);
    return status < 100 || more_digits ? 0 : status;
}

/* RFC 9110 section 5.6.7, in all three forms; 0 when it is none. The first letter of the weekday
 * keeps curl from reading bare numbers as dates. */
static int64_t date_of(const char *value, size_t length)
{
    char text[DATE_SIZE];
    if (length == 0 || length >= sizeof text || !isalpha((unsigned char)value[0]))
        return 0;
    memcpy(text, value, length);
    text[length] = '\0';
    time_t date = curl_getdate(text, NULL);
    return date > 0 ? (int64_t)date : 0;
}

static bool is_number(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)value[i]))
            return false;
    }
    return length > 0;
}

/* At most ANSWER_RETRY_AFTER_MAX_S, however many digits there are. */
static int64_t seconds_of(const char *value, size_t length)
{
    int64_t seconds = 0;
    for (size_t i = 0; i < length && seconds <= ANSWER_RETRY_AFTER_MAX_S; i++)
        seconds = seconds * 10 + (value[i] - '0');
    return seconds < ANSWER_RETRY_AFTER_MAX_S ? seconds : ANSWER_RETRY_AFTER_MAX_S;
}

static void take_retry_after(struct answer *answer, const char *value, size_t length)
{
    bool number = is_number(value, length);
    answer->retry_after_s = number ? seconds_of(value, length) : 0;
    answer->retry_at_unix = number ? 0 : date_of(value, length);
}

static bool is_end(const char *line, size_t length)
{
    return length > 0 && (line[0] == '\r' || line[0] == '\n');
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void take_field(struct answer *answer, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    if (!colon)
        return;
    size_t name_length = (size_t)(colon - line);
    const char *value = colon + 1;
    size_t left = length - name_length - 1;
    while (left > 0 && is_blank(*value)) {
        value++;
        left--;
    }
    while (left > 0 && is_blank(value[left - 1]))
        left--;
    if (name_length == strlen("Retry-After") && strncasecmp(line, "Retry-After", name_length) == 0)
        take_retry_after(answer, value, left);
    else if (name_length == strlen("Date") && strncasecmp(line, "Date", name_length) == 0)
        answer->date_unix = date_of(value, left);
    else if (name_length == strlen("Server") && strncasecmp(line, "Server", name_length) == 0)
        text_printable(answer->server, sizeof answer->server, value, left);
}

static void take_status(struct answer *answer, const char *line, size_t length)
{
    int status = status_of(line, length);
    if (status == 0)
        return;
    answer->interim = status < 200;
    answer->status = answer->interim ? 0 : status;
    answer->part = ANSWER_FIELDS;
}

int answer_line(struct answer *answer, const char *line, size_t length)
{
    if (length > ANSWER_HEAD_MAX - answer->head_bytes) {
        answer->head_bytes = ANSWER_HEAD_MAX;
        return ERR_LIMIT;
    }
    answer->head_bytes += length;
    if (answer->part == ANSWER_STATUS_LINE)
        take_status(answer, line, length);
    else if (answer->part == ANSWER_FIELDS && is_end(line, length))
        answer->part = answer->interim ? ANSWER_STATUS_LINE : ANSWER_TRAILERS;
    else if (answer->part == ANSWER_FIELDS && !answer->interim)
        take_field(answer, line, length);
    return 0;
}

int answer_body(struct answer *answer, const char *bytes, size_t length)
{
    size_t room = ANSWER_BODY_MAX - answer->body_length;
    size_t kept = length < room ? length : room;
    if (kept)
        memcpy(answer->body + answer->body_length, bytes, kept);
    answer->body_length += kept;
    return kept < length ? ERR_LIMIT : 0;
}

/* A date is a distance from the server's own clock, where that is known. */
static int64_t wait_of(const struct answer *answer, int64_t now_unix)
{
    if (!answer->retry_at_unix)
        return answer->retry_after_s;
    int64_t wait = answer->retry_at_unix - (answer->date_unix ? answer->date_unix : now_unix);
    if (wait < 0)
        return 0;
    return wait < ANSWER_RETRY_AFTER_MAX_S ? wait : ANSWER_RETRY_AFTER_MAX_S;
}

void answer_tell(const struct answer *answer, enum push_failure failure, int64_t now_unix,
                 struct push_answer *told)
{
    *told = (struct push_answer){.failure = failure};
    /* Whose headers never ended did not answer "accepted" yet. */
    bool taken_in_part = answer->status / 100 == 2 && answer->part != ANSWER_TRAILERS;
    if (!answer->status || taken_in_part)
        return;
    told->failure = PUSH_ANSWERED;
    told->status = answer->status;
    told->retry_after_s = wait_of(answer, now_unix);
    told->date_unix = answer->date_unix;
    told->server = answer->server[0] ? answer->server : NULL;
    told->body = answer->body_length ? answer->body : NULL;
    told->body_length = answer->body_length;
}
