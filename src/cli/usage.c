#include "cli/usage.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum { WIDTH = 80, INDENT = 2, COLUMN = 24 }; /* of a terminal; of names; of what they mean */

const char cli_what_it_is[] =
    "Doorbell wakes the messenger on a phone without Google services: it notices that an encrypted "
    "message waits at the messenger's server, and rings the phone through its UnifiedPush "
    "distributor.";
const char cli_how_to_abbreviate[] =
    "Any beginning of a command's name that means no other one will do, such as c l for connection "
    "list.";

static void print_entry(const char *label, const char *help, FILE *to)
{
    if (strlen(label) + INDENT + 1 < COLUMN)
        fprintf(to, "%*s%-*s", INDENT, "", COLUMN - INDENT, label);
    else
        fprintf(to, "%*s%s\n%*s", INDENT, "", label, COLUMN, "");
    text_wrap(to, help, COLUMN, COLUMN, WIDTH);
}

const char *cli_arguments(const struct cli_command *command)
{
    if (command->table)
        return command->run ? "[COMMAND]" : "COMMAND";
    return command->words ? command->words : "";
}

char *cli_option_label(const struct cli_option *option)
{
    return mem_format("%s%s%s%s%s", option->brief ? option->brief : "", option->brief ? ", " : "",
                      option->whole, option->value ? " " : "", option->value ? option->value : "");
}

/* A second spelling has no help of its own. */
static void print_commands(const struct cli_command *table, bool with_words, FILE *to)
{
    fprintf(to, "\nCommands:\n");
    for (const struct cli_command *command = table; command->name; command++) {
        const char *words = with_words && !command->table ? cli_arguments(command) : "";
        char *label = mem_format("%s%s%s", command->name, *words ? " " : "", words);
        if (command->help)
            print_entry(label, command->help, to);
        free(label);
    }
}

static void print_options(const char *title, const struct cli_option *options, FILE *to)
{
    fprintf(to, "\n%s:\n", title);
    for (const struct cli_option *option = options; option->whole; option++) {
        char *label = cli_option_label(option);
        print_entry(label, option->help, to);
        free(label);
    }
}

const char *cli_needs_text(const struct cli_command *command)
{
    static const char *const texts[] = {
        [CLI_NEEDS_UNSAID] = "",
        [CLI_NEEDS_NOTHING] = "It needs no server and no store.",
        [CLI_NEEDS_FILES] =
            "It needs no server: what it reads or writes is a file beside the store.",
        [CLI_NEEDS_STORE] = "It reads the store itself, whether a server runs or not.",
        [CLI_NEEDS_REST] = "It acts on the store itself, while no server runs.",
        [CLI_NEEDS_EITHER] = "It asks the running server; where none runs it acts on the store.",
        [CLI_NEEDS_SERVER] = "It needs the running server.",
    };
    return texts[command->needs];
}

static void print_about(const struct cli_command *command, FILE *to)
{
    const char *needs = cli_needs_text(command);
    char *text =
        mem_format("%s%s%s%s%s", command->help ? command->help : "", command->details ? " " : "",
                   command->details ? command->details : "", *needs ? " " : "", needs);
    fprintf(to, "\n");
    text_wrap(to, text, 0, 0, WIDTH);
    free(text);
}

static void print_command(const struct cli_path *path, FILE *to)
{
    const struct cli_command *command = path->command;
    const char *arguments = cli_arguments(command);
    fprintf(to, "Usage: %s%s%s\n", path->words, *arguments ? " " : "", arguments);
    print_about(command, to);
    if (command->table)
        print_commands(command->table, true, to);
    if (command->options)
        print_options("Options", command->options, to);
    if (command->example)
        fprintf(to, "\nExample:\n  %s\n", command->example);
}

void cli_print_usage(const struct cli *cli, const struct cli_path *path, FILE *to)
{
    if (path->command) {
        print_command(path, to);
        return;
    }
    fprintf(to, "Usage: doorbell [OPTIONS] COMMAND\n\n");
    text_wrap(to, cli_what_it_is, 0, 0, WIDTH);
    print_commands(cli->commands, false, to);
    print_options("Options, before the command", cli->options, to);
    fprintf(to, "\n");
    text_wrap(to, cli_how_to_abbreviate, 0, 0, WIDTH);
    text_wrap(to,
              "\"doorbell COMMAND --help\" tells more of one; \"doorbell man 1\" is the manual, "
              "\"doorbell man 5\" tells of every setting.",
              0, 0, WIDTH);
}
