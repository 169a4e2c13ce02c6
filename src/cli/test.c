#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/url_normal.h"
#include "base/uuid.h"
#include "cli/cli.h"
#include "push/policy.h"

/* What is asked of the configuration alone: nothing is connected, and nothing of it is printed but
 * the answer and why. */

static bool has_one_word(const char *command, const char *what, int argc)
{
    if (argc != 1)
        fprintf(stderr, "doorbell: test %s needs one word: %s.\n", command, what);
    return argc == 1;
}

static int say(const char *what, const char *name, bool valid, const struct err *why)
{
    printf("%s %s is %svalid\n", what, name, valid ? "" : "not ");
    if (valid)
        return CLI_DONE;
    fflush(stdout);
    return cli_fail(why);
}

static int check_answer(const struct policy *policy, const struct url *url,
                        const struct addrinfo *answer, struct err *err)
{
    struct address address;
    if (address_from_sockaddr(&address, answer->ai_addr, answer->ai_addrlen) != 0)
        return err_set(err, ERR_INVALID, "Its name has an address of a kind that is not known.");
    return policy_check_address(policy, url, false, &address, err);
}

/* One address that may be reached is enough. */
static int check_addresses(const struct policy *policy, const struct url *url, struct err *err)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];
    struct addrinfo *answers = NULL;
    struct connect_target target;
    bool elsewhere = policy_connect_to(policy, url, &target);
    const char *host = elsewhere ? target.host : url->host;
    snprintf(port, sizeof port, "%d", elsewhere ? target.port : url->port);
    int failed = getaddrinfo(host, port, &hints, &answers);
    if (failed)
        return err_set(err, ERR_NOT_FOUND, "The name %s has no address: %s.", host,
                       gai_strerror(failed));
    int result = ERR_REFUSED;
    for (const struct addrinfo *answer = answers; answer && result != 0; answer = answer->ai_next)
        result = check_answer(policy, url, answer, err);
    freeaddrinfo(answers);
    return result;
}

static int check_normal(const struct policy *policy, const char *endpoint, struct err *err)
{
    struct url url;
    int result = policy_check_endpoint(policy, endpoint, false, err);
    if (result == 0)
        result = url_parse(&url, endpoint, err);
    if (result != 0)
        return result;
    result = check_addresses(policy, &url, err);
    url_fini(&url);
    return result;
}

int cli_check_endpoint(const struct config *config, const char *endpoint, struct err *err)
{
    struct policy *policy = policy_new(config, err);
    if (!policy)
        return err->code;
    char *normal = url_normal(endpoint, err);
    int result = normal ? check_normal(policy, normal, err) : ERR_INVALID;
    if (!normal)
        err_prefix(err, "the endpoint cannot be used");
    mem_free_secret(normal);
    policy_free(policy);
    return result;
}

static int run_endpoint(struct cli *cli, int argc, char **argv)
{
    if (!has_one_word("endpoint", "ENDPOINT", argc))
        return CLI_WRONG_WORDS;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    struct err err = {0};
    bool valid = cli_check_endpoint(config, argv[0], &err) == 0;
    config_free(config);
    return say("Endpoint", argv[0], valid, &err);
}

static int check_uuid(const struct config *config, const char *text, struct err *err)
{
    uint8_t uuid[16];
    if (uuid_parse(uuid, text) != 0)
        return err_set(err, ERR_INVALID,
                       "An account id has 32 hexadecimal digits in groups of 8-4-4-4-12.");
    if (!config_allows_account(config, uuid))
        return err_set(err, ERR_REFUSED, "accounts.allowed does not have it.");
    if (!config_admits_account(config, uuid))
        fprintf(stderr,
                "doorbell: accounts.allowed has it only if it is registered already: it lets "
                "nobody new in.\n");
    return 0;
}

static bool is_in(const json_t *accounts, const char *text)
{
    uint8_t uuid[16], other[16];
    uuid_parse(uuid, text);
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        const json_t *name = json_object_get(json_array_get(accounts, i), "uuid");
        if (uuid_parse(other, json_string_value(name)) == 0 && memcmp(uuid, other, 16) == 0)
            return true;
    }
    return false;
}

/* No server and no store: nobody is registered. */
static void say_registered(struct cli *cli, const char *uuid)
{
    struct err err = {0};
    json_t *request = json_pack("{s:s}", "command", "list");
    json_t *answer = cli_ask(cli, request, &err);
    bool done = json_is_true(json_object_get(answer, "done"));
    if (answer && !done)
        err_set(&err, ERR_REFUSED, "%s", cli_why(answer));
    if (done || err.code == ERR_NOT_FOUND)
        printf("UUID %s is %sregistered\n", uuid,
               is_in(json_object_get(answer, "accounts"), uuid) ? "" : "not ");
    else
        cli_fail(&err);
    json_decref(answer);
    json_decref(request);
}

static int run_uuid(struct cli *cli, int argc, char **argv)
{
    if (!has_one_word("uuid", "ACCOUNT_ID", argc))
        return CLI_WRONG_WORDS;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    struct err err = {0};
    bool valid = check_uuid(config, argv[0], &err) == 0;
    config_free(config);
    int status = say("UUID", argv[0], valid, &err);
    if (valid)
        say_registered(cli, argv[0]);
    return status;
}

const struct cli_command cli_test[] = {
    {.name = "endpoint",
     .words = "ENDPOINT",
     .needs = CLI_NEEDS_NOTHING,
     .help = "Whether this endpoint may be rung.",
     .run = run_endpoint,
     .details = "Its name is looked up; nothing is sent to it.",
     .example = "doorbell test endpoint https://ntfy.example.org/upAbCd",
     .mollysockets = true},
    {.name = "uuid",
     .words = "ACCOUNT_ID",
     .needs = CLI_NEEDS_EITHER,
     .help = "Whether this account may use this server, and whether it is registered.",
     .run = run_uuid,
     .mollysockets = true},
    {0},
};
