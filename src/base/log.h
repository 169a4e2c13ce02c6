/* One line per event on standard error, text or JSON. The log is the process's one voice and so the
 * one thing that is not passed along. Rules: no account id, password, endpoint path or message
 * bytes at any level; foreign text goes through text_printable first; accounts appear as
 * pseudonyms. */
#ifndef DOORBELL_BASE_LOG_H
#define DOORBELL_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Before any other thread starts, and again on reload. Default: info, text. */
void log_configure(enum log_level level, enum log_format format);

/* `stream` is what systemd has put into JOURNAL_STREAM, NULL: nothing. Where it names our standard
 * error, lines go to the journal, and begin with their priority from now on (sd-daemon(3)); those
 * of text have neither time nor level, as the journal shows its own. */
void log_find_journal(const char *stream);
/* "<3>" for an error, or "" where no journal reads it: for a line that others print. */
const char *log_priority(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A stable name for something that must not be named: hexadecimal of a keyed hash (BLAKE2b). The
 * key is random and kept in the store, so that nobody can confirm a guess (security.md 22). */
enum { PSEUDONYM_KEY_SIZE = 32, PSEUDONYM_SIZE = 11 };
void log_pseudonym(char text[PSEUDONYM_SIZE], const uint8_t key[PSEUDONYM_KEY_SIZE], const void *id,
                   size_t length);

/* For the messages of libraries: at most `burst` lines, one more each second; counts what it left
 * out and says so. */
struct log_limit {
    int64_t last_ms;
    unsigned tokens, left_out;
};
void log_foreign(struct log_limit *limit, enum log_level level, const char *library,
                 const char *text, size_t length);

#endif
