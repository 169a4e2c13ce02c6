#include "base/log.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum { LINE_MAX_BYTES = 1024, STAMP_SIZE = 32, FOREIGN_BURST = 10 };

static _Atomic int wanted_level = LOG_LEVEL_INFO;
static _Atomic int wanted_format = LOG_FORMAT_TEXT;
static _Atomic bool goes_to_journal;

void log_configure(enum log_level level, enum log_format format)
{
    wanted_level = (int)level;
    wanted_format = (int)format;
}

/* Device and inode: whoever was given another standard error than the service inherits the variable
 * all the same. */
void log_find_journal(const char *stream)
{
    struct stat status;
    char ours[64];
    if (!stream || fstat(STDERR_FILENO, &status) != 0)
        return;
    snprintf(ours, sizeof ours, "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino);
    goes_to_journal = strcmp(stream, ours) == 0;
}

const char *log_priority(enum log_level level)
{
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};
    return goes_to_journal ? priorities[level] : "";
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    return names[level];
}

/* Escapes for a JSON string; the message is ASCII already or becomes so. */
static void json_escape(char *to, size_t size, const char *from)
{
    size_t used = 0;
    for (; *from && used + 3 < size; from++) {
        if (*from == '"' || *from == '\\')
            to[used++] = '\\';
        to[used++] = *from;
    }
    to[used] = '\0';
}

static void write_stamp(char stamp[STAMP_SIZE])
{
    time_t now = (time_t)clock_unix();
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(stamp, STAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level > wanted_level)
        return;
    char raw[LINE_MAX_BYTES], message[LINE_MAX_BYTES], line[2 * LINE_MAX_BYTES + 128];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    text_printable(message, sizeof message, raw, strlen(raw));

    char stamp[STAMP_SIZE];
    write_stamp(stamp);
    int length;
    if (wanted_format == LOG_FORMAT_JSON) {
        char escaped[2 * LINE_MAX_BYTES];
        json_escape(escaped, sizeof escaped, message);
        length =
            snprintf(line, sizeof line, "%s{\"time\":\"%s\",\"level\":\"%s\",\"msg\":\"%s\"}\n",
                     log_priority(level), stamp, level_name(level), escaped);
    } else if (goes_to_journal) { /* which has the time and the level of each line */
        length = snprintf(line, sizeof line, "%s%s\n", log_priority(level), message);
    } else {
        length = snprintf(line, sizeof line, "%s %-5s %s\n", stamp, level_name(level), message);
    }
    /* One write per line, so that threads do not mix; there is nobody to tell when it fails. */
    if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
        return;
}

void log_pseudonym(char text[PSEUDONYM_SIZE], const uint8_t key[PSEUDONYM_KEY_SIZE], const void *id,
                   size_t length)
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    crypto_generichash(hash, sizeof hash, id, length, key, PSEUDONYM_KEY_SIZE);
    sodium_bin2hex(text, PSEUDONYM_SIZE, hash, (PSEUDONYM_SIZE - 1) / 2);
}

void log_foreign(struct log_limit *limit, enum log_level level, const char *library,
                 const char *text, size_t length)
{
    if ((int)level > wanted_level)
        return;
    int64_t now = clock_ms();
    int64_t earned = (now - limit->last_ms) / 1000;
    if (earned > 0) {
        limit->tokens = earned >= FOREIGN_BURST || limit->tokens + earned >= FOREIGN_BURST
                            ? FOREIGN_BURST
                            : limit->tokens + (unsigned)earned;
        limit->last_ms = now;
    }
    if (!limit->tokens) {
        limit->left_out++;
        return;
    }
    limit->tokens--;
    while (length && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    char line[256];
    text_printable(line, sizeof line, text, length);
    if (limit->left_out)
        log_write(level, "%s: %s (%u lines left out before this one)", library, line,
                  limit->left_out);
    else
        log_write(level, "%s: %s", library, line);
    limit->left_out = 0;
}
