/* Completion for shells: scripts that do not run doorbell. Each beginning of a command that
 * cli_find understands leads where it would lead there; then what the command's row has is offered.
 * In the scripts, "connection/list" is how far the words have led. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "config/schema.h"

/* Called for every command, and for the program itself as one whose table has them all. */
typedef void visit_fn(const char *path, const struct cli_command *command);

static void walk(const char *path, const struct cli_command *command, visit_fn *visit)
{
    visit(path, command);
    for (const struct cli_command *child = command->table; child && child->name; child++) {
        char *deeper = mem_format("%s%s%s", path, *path ? "/" : "", child->name);
        walk(deeper, child, visit);
        free(deeper);
    }
}

static bool has_options(const struct cli_option *option)
{
    return option && option->whole;
}

static bool means_file(const char *words)
{
    return words &&
           (strstr(words, "FILE") || strcmp(words, "PATH") == 0 || strncmp(words, "PATH ", 5) == 0);
}

static bool offers(const struct cli_command *command)
{
    return command->table || has_options(command->options) || means_file(command->words);
}

/* In single quotes, which zsh and fish read alike. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    putchar('\'');
}

static void print_settings(const char *between)
{
    for (size_t i = 0; i < schema_count; i++)
        printf("%s%s", i ? between : "", schema[i].path);
}

static bool means_setting(const char *words)
{
    return strcmp(words, "PATH=VALUE") == 0;
}

/* What a setting can be, where these are few words; NULL: anything. */
static const char *const *values_of(const struct setting *setting)
{
    static const char *const switches[] = {"true", "false", NULL};
    return setting->type == SETTING_BOOL ? switches : setting->choices;
}

static void print_values(const char *before, const char *const *values)
{
    for (size_t i = 0; values[i]; i++)
        printf("%s%s%s", i ? " " : "", before, values[i]);
}

/* A case's lines: `end` is what stands behind the pattern. */
static void print_cases_of_values(const char *end, const char *command, const char *after)
{
    for (size_t i = 0; i < schema_count; i++) {
        const char *const *values = values_of(&schema[i]);
        if (!values)
            continue;
        printf("        %s%s) %s", schema[i].path, end, command);
        print_values("", values);
        printf("%s ;;\n", after);
    }
}

static const char help_of_help[] = "Tells more of this command.";

/* Patterns of a case, each "path/word". */

static void print_beginnings(const char *path, const struct cli_command *table,
                             const struct cli_command *command, const char *between)
{
    bool several, first = true;
    for (size_t length = 1; length <= strlen(command->name); length++) {
        char *word = mem_copy(command->name, length);
        if (cli_find(table, word, &several) == command) {
            printf("%s%s/%s", first ? "" : between, path, word);
            first = false;
        }
        free(word);
    }
}

static void print_spellings(const char *path, const struct cli_option *option, const char *between)
{
    if (option->brief)
        printf("%s/%s%s", path, option->brief, between);
    printf("%s/%s", path, option->whole);
}

/* bash and zsh */

static void lead_sh(const char *path, const struct cli_command *command)
{
    for (const struct cli_option *option = command->options; has_options(option); option++) {
        if (!option->value)
            continue;
        fputs("        ", stdout);
        print_spellings(path, option, "|");
        fputs(") ((i++)) ;;\n", stdout);
    }
    for (const struct cli_command *child = command->table; child && child->name; child++) {
        fputs("        ", stdout);
        print_beginnings(path, command->table, child, "|");
        printf(") at='%s%s%s' ;;\n", path, *path ? "/" : "", child->name);
    }
}

static void print_values_sh(const char *path, const struct cli_command *command, const char *files,
                            const char *settings)
{
    for (const struct cli_option *option = command->options; has_options(option); option++) {
        if (!option->value)
            continue;
        fputs("    ", stdout);
        print_spellings(path, option, "|");
        printf(") %sreturn ;;\n", means_file(option->value)      ? files
                                  : means_setting(option->value) ? settings
                                                                 : "");
    }
}

static void values_bash(const char *path, const struct cli_command *command)
{
    print_values_sh(path, command, "_doorbell_files; ", "_doorbell_settings; ");
}

static void values_zsh(const char *path, const struct cli_command *command)
{
    print_values_sh(path, command, "_files; ", "_doorbell_settings; ");
}

static void offer_bash(const char *path, const struct cli_command *command)
{
    const char *between = "";
    if (!offers(command))
        return;
    printf("    '%s') offered='", path);
    for (const struct cli_command *child = command->table; child && child->name; child++) {
        if (child->help)
            printf("%s%s", between, child->name);
        between = " ";
    }
    for (const struct cli_option *option = command->options; has_options(option); option++) {
        printf("%s%s", between, option->whole);
        between = " ";
    }
    printf("'%s ;;\n", means_file(command->words) ? "; files=yes" : "");
}

static void print_bash(const struct cli_command *program)
{
    puts("# Completion of doorbell for bash, made by: doorbell completion bash\n"
         "_doorbell_files() {\n"
         "    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$word\")\n"
         "    compopt -o filenames\n"
         "}\n\n"
         "_doorbell_settings() {\n"
         "    local values=''\n"
         "    if [[ $word != *=* ]]; then");
    fputs("        mapfile -t COMPREPLY < <(compgen -S = -W '", stdout);
    print_settings(" ");
    puts("' -- \"$word\")\n"
         "        compopt -o nospace\n"
         "        return\n"
         "    fi\n"
         "    case $word in");
    print_cases_of_values("=*", "values='", "'");
    puts("    esac\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$values\" -- \"${word#*=}\")\n"
         "}\n\n"
         "_doorbell() {\n"
         "    local word previous words=() at='' offered='' files='' i\n"
         "    COMPREPLY=()\n"
         "    # bash makes three words of --option=value\n"
         "    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
         "        if ((i > 1)) && [[ ${COMP_WORDS[i]} == '=' || ${COMP_WORDS[i - 1]} == '=' ]]; "
         "then\n"
         "            words[${#words[@]} - 1]+=${COMP_WORDS[i]}\n"
         "        else\n"
         "            words+=(\"${COMP_WORDS[i]}\")\n"
         "        fi\n"
         "    done\n"
         "    local last=$((${#words[@]} - 1))\n"
         "    word=${words[last]} previous=${words[last - 1]}\n"
         "    if [[ $word == --*=* ]]; then previous=${word%%=*} word=${word#*=}; fi\n"
         "    for ((i = 1; i < last; i++)); do\n"
         "        case $at/${words[i]} in");
    walk("", program, lead_sh);
    puts("        esac\n"
         "    done\n"
         "    case $at/$previous in");
    walk("", program, values_bash);
    puts("    esac\n"
         "    case $at in");
    walk("", program, offer_bash);
    puts("    esac\n"
         "    if [[ $at && $word == -* ]]; then offered+=' --help'; fi\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$offered\" -- \"$word\")\n"
         "    if [[ $files ]]; then _doorbell_files; fi\n"
         "}\n"
         "complete -F _doorbell doorbell mollysocket ms");
}

static void print_description(const char *name, const char *help)
{
    char *text = mem_format("%s:%s", name, help);
    putchar(' ');
    print_quoted(text);
    free(text);
}

static void offer_zsh(const char *path, const struct cli_command *command)
{
    if (!offers(command))
        return;
    printf("('%s')\n    commands=(", path);
    for (const struct cli_command *child = command->table; child && child->name; child++)
        if (child->help)
            print_description(child->name, child->help);
    printf(" )\n    options=(");
    for (const struct cli_option *option = command->options; has_options(option); option++)
        print_description(option->whole, option->help);
    printf(" )\n%s    ;;\n", means_file(command->words) ? "    files=yes\n" : "");
}

static void print_zsh(const struct cli_command *program)
{
    fputs("#compdef doorbell mollysocket ms\n"
          "# Completion of doorbell for zsh, made by: doorbell completion zsh\n"
          "local at= files= previous=$words[CURRENT-1]\n"
          "local -a commands options settings\n"
          "integer i\n"
          "settings=(",
          stdout);
    print_settings(" ");
    puts(")\n"
         "_doorbell_settings() {\n"
         "    local setting=${PREFIX%%=*}\n"
         "    if ! compset -P 1 '*='; then\n"
         "        compadd -q -S = -a settings\n"
         "        return\n"
         "    fi\n"
         "    case $setting in");
    print_cases_of_values("", "compadd ", "");
    puts("    esac\n"
         "}\n"
         "if [[ $PREFIX == --*=* ]]; then\n"
         "    previous=${PREFIX%%=*}\n"
         "    compset -P 1 '*='\n"
         "fi\n"
         "for ((i = 2; i < CURRENT; i++)); do\n"
         "    case $at/$words[i] in");
    walk("", program, lead_sh);
    puts("    esac\n"
         "done\n"
         "case $at/$previous in");
    walk("", program, values_zsh);
    puts("esac\n"
         "case $at in");
    walk("", program, offer_zsh);
    puts("esac");
    fputs("[[ -n $at ]] && options+=(", stdout);
    print_description("--help", help_of_help);
    puts(" )\n"
         "_describe -t commands command commands\n"
         "_describe -t options option options\n"
         "[[ -n $files ]] && _files");
}

/* fish */

static void lead_fish(const char *path, const struct cli_command *command)
{
    for (const struct cli_option *option = command->options; has_options(option); option++) {
        if (!option->value)
            continue;
        fputs("            case ", stdout);
        print_spellings(path, option, " ");
        fputs("\n                set skip yes\n", stdout);
    }
    for (const struct cli_command *child = command->table; child && child->name; child++) {
        fputs("            case ", stdout);
        print_beginnings(path, command->table, child, " ");
        printf("\n                set at %s%s%s\n", path, *path ? "/" : "", child->name);
    }
}

static void begin_offer_fish(const char *path)
{
    printf("complete -c doorbell -n '__doorbell_is_at \"%s\"' ", path);
}

static void print_settings_fish(void)
{
    for (size_t i = 0; i < schema_count; i++) {
        const char *const *values = values_of(&schema[i]);
        char *before = mem_format("%s=", schema[i].path);
        fputs(i ? " " : "", stdout);
        if (values)
            print_values(before, values);
        else
            fputs(before, stdout);
        free(before);
    }
}

static void offer_option_fish(const char *path, const struct cli_option *option)
{
    begin_offer_fish(path);
    if (option->brief)
        printf("-s %s ", option->brief + 1);
    printf("-l %s ", option->whole + 2);
    if (option->value && means_setting(option->value)) {
        fputs("-x -a '", stdout);
        print_settings_fish();
        fputs("' ", stdout);
    } else if (option->value) {
        fputs(means_file(option->value) ? "-r -F " : "-x ", stdout);
    }
    fputs("-d ", stdout);
    print_quoted(option->help);
    putchar('\n');
}

static void offer_fish(const char *path, const struct cli_command *command)
{
    for (const struct cli_command *child = command->table; child && child->name; child++) {
        if (!child->help)
            continue;
        begin_offer_fish(path);
        printf("-a %s -d ", child->name);
        print_quoted(child->help);
        putchar('\n');
    }
    for (const struct cli_option *option = command->options; has_options(option); option++)
        offer_option_fish(path, option);
    if (means_file(command->words)) {
        begin_offer_fish(path);
        puts("-F");
    }
}

static void print_fish(const struct cli_command *program)
{
    puts("# Completion of doorbell for fish, made by: doorbell completion fish\n"
         "function __doorbell_is_at\n"
         "    set -l at\n"
         "    set -l skip\n"
         "    for word in (commandline -opc)[2..-1]\n"
         "        if set -q skip[1]\n"
         "            set skip\n"
         "            continue\n"
         "        end\n"
         "        switch \"$at/$word\"");
    walk("", program, lead_fish);
    puts("        end\n"
         "    end\n"
         "    test \"$at\" = \"$argv[1]\"\n"
         "end\n"
         "complete -c doorbell -f\n"
         "complete -c mollysocket -w doorbell\n"
         "complete -c ms -w doorbell");
    fputs("complete -c doorbell -n 'not __doorbell_is_at \"\"' -s h -l help -d ", stdout);
    print_quoted(help_of_help);
    putchar('\n');
    walk("", program, offer_fish);
}

/* Commands */

static int run(const char *name, struct cli *cli, int argc, char **argv,
               void (*script)(const struct cli_command *program))
{
    if (cli_refuse_words(name, argc, argv))
        return CLI_WRONG_WORDS;
    script(&(struct cli_command){.table = cli->commands, .options = cli->options});
    return CLI_DONE;
}

static int run_bash(struct cli *cli, int argc, char **argv)
{
    return run("completion bash", cli, argc, argv, print_bash);
}

static int run_zsh(struct cli *cli, int argc, char **argv)
{
    return run("completion zsh", cli, argc, argv, print_zsh);
}

static int run_fish(struct cli *cli, int argc, char **argv)
{
    return run("completion fish", cli, argc, argv, print_fish);
}

const struct cli_command cli_completion[] = {
    {.name = "bash",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints the script for bash.",
     .run = run_bash,
     .example = "doorbell completion bash > /etc/bash_completion.d/doorbell"},
    {.name = "zsh",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints the script for zsh, for a folder that $fpath names.",
     .run = run_zsh,
     .example = "doorbell completion zsh > /usr/local/share/zsh/site-functions/_doorbell"},
    {.name = "fish",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Prints the script for fish.",
     .run = run_fish,
     .example = "doorbell completion fish > ~/.config/fish/completions/doorbell.fish"},
    {0},
};
