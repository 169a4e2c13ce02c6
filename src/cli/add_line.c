#include "cli/add_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Whatever stands before the command: its name in the app's line, the program's, a prompt. */
static void drop_command(struct add_line *line)
{
    for (int i = 0; i + 1 < line->count; i++) {
        if (strcmp(line->items[i], "connection") != 0 || strcmp(line->items[i + 1], "add") != 0)
            continue;
        line->count -= i + 2;
        memmove(line->items, line->items + i + 2, (size_t)line->count * sizeof *line->items);
        return;
    }
}

/* No word of it has blanks or quotes of its own. */
void add_line_split(struct add_line *line, const char *text)
{
    add_line_fini(line);
    line->text = mem_text(text);
    char *rest = line->text, *word;
    while (line->count < ADD_LINE_WORDS && (word = strsep(&rest, " \t\r\n\"'")))
        if (*word)
            line->items[line->count++] = word;
    drop_command(line);
}

void add_line_fini(struct add_line *line)
{
    mem_free_secret(line->text);
    *line = (struct add_line){0};
}

/* At a terminal, pasting it and Enter is enough. */
static void read_line(struct add_line *line)
{
    char text[ADD_LINE_MAX];
    while (!line->count && fgets(text, sizeof text, stdin))
        add_line_split(line, text);
    explicit_bzero(text, sizeof text);
}

void add_line_take(struct add_line *line, int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "-") == 0) {
        read_line(line);
    } else if (argc == 1) {
        add_line_split(line, argv[0]);
    } else {
        for (int i = 0; i < argc && i < ADD_LINE_WORDS; i++)
            line->items[line->count++] = argv[i];
        drop_command(line);
    }
}

json_t *add_line_request(const struct add_line *line, struct err *err)
{
    if (line->count != ADD_LINE_WHOLE) {
        err_set(err, ERR_INVALID,
                "connection add needs four words: ACCOUNT_ID DEVICE_ID PASSWORD ENDPOINT. Paste "
                "the line that Molly shows, or give - and paste it on standard input.");
        return NULL;
    }
    char *end;
    errno = 0;
    long long device = strtoll(line->items[1], &end, 10);
    if (errno || *end || end == line->items[1]) {
        err_set(err, ERR_INVALID, "The device must be a number from 1 to 127.");
        return NULL;
    }
    json_t *request =
        json_pack("{s:s, s:s, s:I, s:s, s:s}", "command", "add", "uuid", line->items[0], "device",
                  (json_int_t)device, "password", line->items[2], "endpoint", line->items[3]);
    if (!request)
        err_set(err, ERR_INVALID, "The arguments have characters that are not text.");
    return request;
}
