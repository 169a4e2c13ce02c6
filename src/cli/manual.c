#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/roff.h"
#include "cli/cli.h"
#include "cli/usage.h"
#include "config/schema.h"

enum { PAGE_MAX = 256 * 1024 }; /* far more than the tables make */

static void add_options(struct buf *page, const struct cli_option *options)
{
    for (const struct cli_option *option = options; option->whole; option++) {
        char *label = cli_option_label(option);
        roff_entry(page, label, option->help);
        free(label);
    }
}

static void add_command(struct buf *page, const char *words, const struct cli_command *command)
{
    const char *arguments = cli_arguments(command);
    char *label = mem_format("%s%s%s", words, *arguments ? " " : "", arguments);
    roff_entry(page, label, command->help);
    free(label);
    const char *needs = cli_needs_text(command);
    char *more = mem_format("%s%s%s", command->details ? command->details : "",
                            command->details && *needs ? " " : "", needs);
    if (*more)
        roff_more(page, more);
    free(more);
    if (!command->options && !command->example)
        return;
    roff_indent(page);
    if (command->options)
        add_options(page, command->options);
    if (command->example)
        roff_example(page, command->example);
    roff_outdent(page);
}

static void add_commands(struct buf *page, const char *prefix, const struct cli_command *table)
{
    for (const struct cli_command *command = table; command->name; command++) {
        if (!command->help) /* a second spelling */
            continue;
        char *words = mem_format("%s%s%s", prefix, *prefix ? " " : "", command->name);
        add_command(page, words, command);
        if (command->table)
            add_commands(page, words, command->table);
        free(words);
    }
}

static void add_what_it_is(struct buf *page)
{
    roff_heading(page, "NAME");
    roff_paragraph(page, "doorbell - push bridge from a messenger to UnifiedPush");
    roff_heading(page, "SYNOPSIS");
    roff_paragraph(page, "`doorbell` [OPTIONS] COMMAND [ARGUMENTS]");
    roff_heading(page, "DESCRIPTION");
    roff_paragraph(page, cli_what_it_is);
    roff_paragraph(page, "It never decrypts a message and never stores one. A message counts as "
                         "delivered only when the push server has taken the ring, or when the debt "
                         "is safely on disk. It takes the place of MollySocket: its configuration, "
                         "database and command lines are taken as they are.");
    roff_paragraph(page,
                   "One process, `doorbell server`, holds the connections. What another command "
                   "needs stands with it: the running server, which it reaches through the "
                   "control socket; the store, where no server runs; or neither.");
}

static void add_signals(struct buf *page)
{
    roff_heading(page, "SIGNALS");
    roff_entry(page, "SIGHUP",
               "The server loads its configuration again; doorbell.yaml(5) tells "
               "which settings need a restart.");
    roff_entry(page, "SIGTERM, SIGINT",
               "The server stops. No ring is lost: what is owed is on disk, or "
               "still waits at the messenger's server. `doorbell setup` ends its wait, and says "
               "what is missing; at a question it ends without a change.");
}

static void add_statuses(struct buf *page)
{
    roff_heading(page, "EXIT STATUS");
    roff_entry(page, "0", "Done; of the server: it was told to stop.");
    roff_entry(page, "1",
               "Not done, or a fault was found; a sentence tells which. Of `health`, `doctor` and "
               "`setup` it is told above what counts.");
    roff_entry(page, "2", "The words of the command line are wrong.");
}

static void add_surroundings(struct buf *page)
{
    roff_heading(page, "ENVIRONMENT");
    roff_paragraph(page, "Each setting has a variable: DOORBELL_ and its name in capitals, such as "
                         "DOORBELL_PUSH_TIMEOUT for push.timeout. doorbell.yaml(5) has them all, "
                         "and what else is read from the environment.");
    roff_entry(page, "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
               "Of systemd: it is told when the server is ready, loads its configuration and "
               "stops, how many accounts are linked, and that it is alive.");
    roff_entry(page, "LISTEN_FDS, LISTEN_PID",
               "Of systemd: sockets that it listens on, in the place of web.listen.");
    roff_entry(page, "JOURNAL_STREAM",
               "Of systemd: where it names standard error, lines of the log begin with their "
               "priority.");
    roff_entry(page, "TZ, LC_ALL, LC_CTYPE, LANG",
               "The time zone in which times are shown, and whether the terminal shows more "
               "than ASCII.");
    roff_heading(page, "FILES");
    roff_entry(page, "doorbell.yaml",
               "The configuration, none is needed: doorbell.yaml(5) tells "
               "where it is looked for.");
    roff_entry(page, schema_find("store.path")->standard,
               "The database; store.path names another: packages and the service have it in "
               "/var/lib/doorbell, the container image in /data. Only its owner can read it: there "
               "are passwords of linked devices in it.");
    roff_entry(page, "vapid.key, doorbell.sock, setup.yaml, admin.token",
               "Beside the database: the key that signs pushes; the socket on which commands "
               "reach the running server; the answers to `doorbell setup`; the hash of the token "
               "that opens the status page.");
    roff_entry(page, "doorbell.db.before-vN",
               "Beside the database: the copy that a newer version made before it changed the form "
               "of the database to its own, N. With it the older version runs again; it has "
               "passwords in it like the database, and may be deleted when there is no way back to "
               "go.");
}

static void add_examples(struct buf *page)
{
    roff_heading(page, "EXAMPLES");
    roff_paragraph(page, "From nothing to a phone that rings, with the server in one terminal and "
                         "the questions in another:");
    roff_example(page, "doorbell server\ndoorbell setup");
    roff_paragraph(page, "Link one more phone that reaches this server at a web address: open that "
                         "address in a browser, or print its code:");
    roff_example(page, "doorbell qr-code url https://push.example.org/");
    roff_paragraph(page, "Link a phone that does not reach it: scan the code, then paste the line "
                         "that Molly shows:");
    roff_example(page, "doorbell qr-code airgapped\ndoorbell connection add -");
    roff_paragraph(page, "When nothing rings: which half is it, and what happened last?");
    roff_example(page, "doorbell doctor\ndoorbell status --account 4c98 --timeline");
}

/* doorbell(1). */
static char *manual(const struct cli *cli)
{
    struct buf page;
    buf_init(&page, PAGE_MAX);
    roff_begin(&page, "DOORBELL", "1", "User Commands");
    add_what_it_is(&page);
    roff_heading(&page, "OPTIONS");
    roff_paragraph(&page, "They stand before the command.");
    add_options(&page, cli->options);
    roff_heading(&page, "COMMANDS");
    roff_paragraph(&page, cli_how_to_abbreviate);
    add_commands(&page, "", cli->commands);
    add_signals(&page);
    add_statuses(&page);
    add_surroundings(&page);
    add_examples(&page);
    roff_heading(&page, "SEE ALSO");
    roff_paragraph(&page, "`doorbell.yaml`(5)");
    char *text = mem_copy((const char *)page.bytes, page.length);
    buf_fini(&page);
    return text;
}

static int print(const char *name, int argc, char **argv, char *text)
{
    bool wrong = cli_refuse_words(name, argc, argv);
    if (!wrong)
        fputs(text, stdout);
    free(text);
    return wrong ? CLI_WRONG_WORDS : CLI_DONE;
}

static int run_commands(struct cli *cli, int argc, char **argv)
{
    return print("man 1", argc, argv, manual(cli));
}

static int run_settings(struct cli *cli, int argc, char **argv)
{
    (void)cli;
    return print("man 5", argc, argv, schema_manual());
}

const struct cli_command cli_man[] = {
    {.name = "1",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints doorbell(1): commands, options, signals, files.",
     .run = run_commands,
     .example = "doorbell man 1 | man -l -"},
    {.name = "5",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints doorbell.yaml(5): every setting.",
     .run = run_settings,
     .example = "doorbell man 5 | man -l -"},
    {0},
};
