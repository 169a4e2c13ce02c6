#include "cli/passphrase.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"

enum { PASSPHRASE_MAX = 1024 };

void passphrase_free(char *passphrase)
{
    sodium_free(passphrase);
}

/* The file */

static int take_line(char *text, size_t length, const char *path, struct err *err)
{
    char *end = memchr(text, '\n', length);
    size_t size = end ? (size_t)(end - text) : length;
    if (size && text[size - 1] == '\r')
        size--;
    if (size > PASSPHRASE_MAX)
        return err_set(err, ERR_LIMIT, "The passphrase in %s is longer than %d bytes.", path,
                       PASSPHRASE_MAX);
    if (size == 0 || memchr(text, '\0', size))
        return err_set(err, ERR_INVALID, "The first line of %s is no passphrase.", path);
    text[size] = '\0';
    return 0;
}

static int read_file(char *text, const char *path, struct err *err)
{
    bool is_open;
    long length = file_read(path, text, PASSPHRASE_MAX + 2, &is_open);
    if (length < 0)
        return err_set(err, ERR_IO, "%s cannot be read: %s.", path, strerror(errno));
    if (is_open)
        fprintf(stderr, "doorbell: Every user of this machine may read %s: chmod 600.\n", path);
    return take_line(text, (size_t)length, path, err);
}

/* The terminal */

/* What would end the program ends the waiting instead, so that what is typed then is shown again.
 * They are blocked but for the waiting, or one that came before it would be lost. */
static const int interrupts[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
enum { INTERRUPTS = sizeof interrupts / sizeof *interrupts };

static void on_interrupt(int number)
{
    (void)number;
}

struct interrupts_before {
    sigset_t open;
    struct sigaction actions[INTERRUPTS];
};

static void take_interrupts(struct interrupts_before *before)
{
    const struct sigaction interrupt = {.sa_handler = on_interrupt};
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < INTERRUPTS; i++)
        sigaddset(&blocked, interrupts[i]);
    sigprocmask(SIG_BLOCK, &blocked, &before->open);
    for (size_t i = 0; i < INTERRUPTS; i++)
        sigaction(interrupts[i], &interrupt, &before->actions[i]);
}

static void give_interrupts_back(const struct interrupts_before *before)
{
    for (size_t i = 0; i < INTERRUPTS; i++)
        sigaction(interrupts[i], &before->actions[i], NULL);
    sigprocmask(SIG_SETMASK, &before->open, NULL);
}

/* Up to the end of the line; -1: interrupted, nothing comes any more, or too long. `open` is the
 * mask that lets signals in. */
static int read_line(char *text, const sigset_t *open)
{
    size_t length = 0;
    struct pollfd watched = {.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        char byte;
        if (ppoll(&watched, 1, NULL, open) != 1 || read(STDIN_FILENO, &byte, 1) != 1 ||
            length > PASSPHRASE_MAX)
            return -1;
        if (byte == '\n')
            break;
        text[length++] = byte;
    }
    text[length] = '\0';
    return 0;
}

static int ask(char *text, const char *question, struct err *err)
{
    struct termios before, silent;
    struct interrupts_before interrupts_before;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return err_set(err, ERR_IO, "The terminal cannot be asked: %s.", strerror(errno));
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    take_interrupts(&interrupts_before);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fprintf(stderr, "%s ", question);
    int result = read_line(text, &interrupts_before.open);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    give_interrupts_back(&interrupts_before);
    fputc('\n', stderr);
    if (result != 0)
        return err_set(err, ERR_INVALID, "No passphrase was entered; nothing was done.");
    return *text ? 0 : err_set(err, ERR_INVALID, "An empty passphrase protects nothing.");
}

static int ask_again(const char *text, struct err *err)
{
    char *again = sodium_malloc(PASSPHRASE_MAX + 2);
    if (!again)
        return err_set(err, ERR_LIMIT, "There is no locked memory for a passphrase.");
    int result = ask(again, "The same once more:", err);
    if (result == 0 && strcmp(text, again) != 0)
        result = err_set(err, ERR_INVALID, "The two passphrases differ; nothing was done.");
    sodium_free(again);
    return result;
}

static int ask_person(char *text, bool made, struct err *err)
{
    if (!isatty(STDIN_FILENO))
        return err_set(err, ERR_INVALID,
                       made ? "A backup is encrypted with a passphrase: name a file that has it "
                              "with --passphrase-file, or run this at a terminal. "
                              "--without-secrets makes one without passwords and keys."
                            : "This backup is encrypted: name a file with its passphrase with "
                              "--passphrase-file, or run this at a terminal.");
    int result = ask(text, made ? "Passphrase for the backup:" : "Passphrase of the backup:", err);
    return result == 0 && made ? ask_again(text, err) : result;
}

char *passphrase_get(const char *file, bool made, struct err *err)
{
    char *text = sodium_malloc(PASSPHRASE_MAX + 2);
    if (!text) {
        err_set(err, ERR_LIMIT, "There is no locked memory for a passphrase.");
        return NULL;
    }
    int result = file ? read_file(text, file, err) : ask_person(text, made, err);
    if (result == 0)
        return text;
    sodium_free(text);
    return NULL;
}
