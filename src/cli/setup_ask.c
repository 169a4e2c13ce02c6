#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/setup.h"

/* Byte by byte, so that what follows the line is left for the next look. False: nothing comes any
 * more (Ctrl-D), which is no answer, other than an empty line. */
static bool read_line(char line[SETUP_ANSWER_SIZE])
{
    size_t length = 0;
    char byte = '\0';
    ssize_t got;
    do {
        got = read(STDIN_FILENO, &byte, 1);
        if (got == 1 && byte != '\n')
            line[length++] = byte;
    } while ((got == 1 && byte != '\n' && length < SETUP_ANSWER_SIZE - 1) ||
             (got < 0 && errno == EINTR));
    line[length] = '\0';
    return got == 1 || length;
}

static int left_ms(int64_t end_ms)
{
    int64_t left = end_ms - clock_ms();
    return left < 0 ? 0 : (int)left;
}

enum setup_event setup_wait_for(struct setup *setup, int64_t ms, char line[SETUP_ANSWER_SIZE])
{
    int64_t end_ms = clock_ms() + ms;
    struct pollfd watched[] = {{.fd = setup->interrupts, .events = POLLIN},
                               {.fd = line && setup->asks ? STDIN_FILENO : -1, .events = POLLIN}};
    int ready;
    do
        ready = poll(watched, 2, ms < 0 ? -1 : left_ms(end_ms));
    while (ready < 0 && errno == EINTR);
    if (watched[0].revents)
        return SETUP_INTERRUPTED;
    if (ready <= 0 || !watched[1].revents)
        return SETUP_TIME_PASSED;
    if (read_line(line))
        return SETUP_LINE;
    setup->asks = false; /* whoever was there has gone */
    return SETUP_TIME_PASSED;
}

static void trim(char *text)
{
    size_t blank = strspn(text, " \t\r"), length = strlen(text + blank);
    memmove(text, text + blank, length + 1);
    while (length && strchr(" \t\r", text[length - 1]))
        text[--length] = '\0';
}

bool setup_ask(struct setup *setup, const char *question, char answer[SETUP_ANSWER_SIZE])
{
    text_wrap_open(stdout, question, 0, 0, terminal_columns(stdout));
    printf(" ");
    fflush(stdout);
    answer[0] = '\0';
    int64_t patience_ms = setup->ends_ms ? left_ms(setup->ends_ms) : -1;
    if (!setup->asks || setup_wait_for(setup, patience_ms, answer) != SETUP_LINE) {
        printf("\n");
        return false;
    }
    trim(answer);
    return true;
}
