// An exchange on a node that is far away: the whole story over HTTP, and what is refused.
//
//     remote [<URL of a node>]
//
// remote.py starts the node. Without it, only what needs none is tested.

#define _XOPEN_SOURCE 700

#include <signal.h>
#include <time.h>

#include "folder.h"
#include "market.h"

// ----------------------------------------------------------------------------------------------------------------- no node

static const char NOBODY[] = "http://127.0.0.1:1";

static void no_node(void) {
    sealock_exchange *exchange, *here;
    sealock_remote_node *node;
    sealock_remote_options options = {.struct_size = sizeof options, .timeout = 1000, .patience = 1000};
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_exchange_connect(NOBODY, NULL, NULL, &exchange, &error));
    CHECK(exchange == NULL);
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_exchange_connect(NOBODY, NULL, &options, &exchange, &error));
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_exchange_connect(NOBODY, "/nowhere", &options, &exchange, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect("nowhere", NULL, NULL, &exchange, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect("ftp://127.0.0.1", NULL, NULL, &exchange, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_exchange_connect("http://user:password@127.0.0.1", NULL, NULL, &exchange, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect(NULL, NULL, NULL, &exchange, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect(NOBODY, "\xff", NULL, &exchange, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect(NOBODY, NULL, NULL, NULL, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect_on(NOBODY, NULL, NULL, NULL, &exchange, &error));
    options.certificates_path = "/nowhere.pem";
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect(NOBODY, NULL, &options, &exchange, &error));
    options.certificates_path = "\xff";
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect(NOBODY, NULL, &options, &exchange, &error));
    options.certificates_path = NULL;
    options.struct_size--;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect(NOBODY, NULL, &options, &exchange, &error));

    // An exchange of this process is on no such node.
    MUST(sealock_exchange_in_memory(&here, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_exchange_node(here, &node, &error));
    CHECK(node == NULL && sealock_remote_node_free(NULL) == SEALOCK_OK);
    sealock_exchange_free(here);
}

// ---------------------------------------------------------------------------------------------------------------- the node

struct researcher {
    sealock_exchange *exchange;
    sealock_remote_node *node;
    sealock_asset *asset;
    sealock_consumer *consumer;
    sealock_order *order;
};

// Connects, and orders what the node serves. Without a folder nothing is kept.
static struct researcher open_researcher(const char *url, const char *folder, const sealock_account *account) {
    struct researcher r;
    sealock_assets *assets;
    size_t count;
    MUST(sealock_exchange_connect(url, folder, NULL, &r.exchange, &error));
    MUST(sealock_exchange_node(r.exchange, &r.node, &error));
    MUST(sealock_exchange_assets(r.exchange, &assets, &error));
    MUST(sealock_assets_count(assets, &count, &error));
    CHECK(count == 1);
    MUST(sealock_assets_get(assets, 0, &r.asset, &error));
    sealock_assets_free(assets);
    MUST(sealock_exchange_consumer(r.exchange, account, &r.consumer, &error));
    MUST(sealock_consumer_buy(r.consumer, r.asset, 1, &error));
    MUST(sealock_consumer_order(r.consumer, r.asset, &r.order, &error));
    return r;
}

static void close_researcher(struct researcher *r) {
    sealock_order_free(r->order);
    sealock_consumer_free(r->consumer);
    sealock_asset_free(r->asset);
    sealock_remote_node_free(r->node);
    sealock_exchange_free(r->exchange);
}

struct asked {
    sealock_ticket *ticket;
    sealock_request *request;
};

static struct asked ask(const struct researcher *r) {
    struct asked asked;
    sealock_query *query = people_query(0);
    MUST(sealock_order_request(r->order, query, NULL, &asked.ticket, &error));
    // Under Valgrind, loading the key takes longer than a proof is good for. It is loaded now.
    MUST(sealock_ticket_renew(asked.ticket, &error));
    MUST(sealock_ticket_request(asked.ticket, &asked.request, &error));
    sealock_query_free(query);
    return asked;
}

static void close_asked(struct asked *asked) {
    sealock_request_free(asked->request);
    sealock_ticket_free(asked->ticket);
}

struct released {
    sealock_result *result;
    sealock_receipt *receipt;
};

static void close_released(struct released *released) {
    sealock_receipt_free(released->receipt);
    sealock_result_free(released->result);
}

// Opens what came back: mean and count of visits by plan, of everybody.
static void the_answer_is_right(const struct asked *asked, const struct released *released) {
    static const double means[] = {8.0 / 3, 22.0 / 4}, counts[] = {3, 5};
    sealock_answer *answer;
    double value;
    int32_t present;
    MUST(sealock_ticket_open(asked->ticket, released->result, released->receipt, &answer, &error));
    for (size_t i = 0; i < COUNT(means); i++) {
        MUST(sealock_answer_double(answer, "mean(visits)", i, &value, &present, &error));
        CHECK(present && value == means[i]);
        MUST(sealock_answer_double(answer, "count", i, &value, &present, &error));
        CHECK(present && value == counts[i]);
    }
    sealock_answer_free(answer);
}

static int same(const sealock_result *a, const sealock_result *b) {
    uint8_t first[SEALOCK_DIGEST_BYTES], second[SEALOCK_DIGEST_BYTES];
    MUST(sealock_result_digest(a, first, sizeof first, &error));
    MUST(sealock_result_digest(b, second, sizeof second, &error));
    return memcmp(first, second, sizeof first) == 0;
}

static int note_step(void *user, const sealock_step *step) {
    snprintf(user, 32, "%s", step->stage);
    return 0;
}

static void the_node_says_what_it_is(const char *url, const struct researcher *r) {
    sealock_node_info info = {.struct_size = sizeof info};
    sealock_buffer *text, *did;
    sealock_texts *served;
    uint8_t owner[SEALOCK_ADDRESS_BYTES];
    size_t count;
    MUST(sealock_remote_node_url(r->node, &text, &error));
    CHECK(says(text, url));
    MUST(sealock_remote_node_version(r->node, &text, &error));
    CHECK(says(text, SEALOCK_VERSION));
    MUST(sealock_remote_node_info(r->node, &info, &error));
    MUST(sealock_asset_owner(r->asset, owner, sizeof owner, &error));
    CHECK(memcmp(info.address, owner, sizeof owner) == 0);
    CHECK(info.serves_ledger && info.chain_id && info.result_retention == 7 * 86400);
    CHECK(info.max_request_bytes > 1 << 20 && info.max_result_bytes > 1 << 20);
    MUST(sealock_remote_node_assets(r->node, &served, &error));
    MUST(sealock_texts_count(served, &count, &error));
    CHECK(count == 1);
    MUST(sealock_asset_did(r->asset, &did, &error));
    MUST(sealock_texts_get(served, 0, &text, &error));
    CHECK(says(text, sealock_buffer_text(did)));
    sealock_buffer_free(did);
    sealock_texts_free(served);
}

static void a_job_is_asked_for_and_found_again(const struct researcher *r) {
    struct asked asked = ask(r);
    struct released first, again;
    sealock_remote_job job = {.struct_size = sizeof job};
    char stage[32] = "";
    sealock_watch watch = {.struct_size = sizeof watch, .progress = note_step, .user = stage};
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_remote_node_status(r->node, asked.request, &job, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_remote_node_cancel(r->node, asked.request, &job, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND,
          sealock_remote_node_fetch(r->node, asked.request, &first.result, &first.receipt, &error));
    CHECK(first.result == NULL && first.receipt == NULL);
    MUST(sealock_remote_node_run(r->node, asked.request, &watch, &first.result, &first.receipt, &error));
    CHECK(strcmp(stage, "release") == 0);
    the_answer_is_right(&asked, &first);

    // The same request again is the same job.
    MUST(sealock_remote_node_run(r->node, asked.request, NULL, &again.result, &again.receipt, &error));
    CHECK(same(first.result, again.result));
    close_released(&again);
    MUST(sealock_remote_node_fetch(r->node, asked.request, &again.result, &again.receipt, &error));
    CHECK(same(first.result, again.result));
    close_released(&again);
    MUST(sealock_remote_node_submit(r->node, asked.request, &job, &error));
    CHECK(job.state == SEALOCK_REMOTE_JOB_COMPLETE);
    MUST(sealock_remote_node_status(r->node, asked.request, &job, &error));
    CHECK(job.state == SEALOCK_REMOTE_JOB_COMPLETE && job.ahead == SEALOCK_UNKNOWN);
    CHECK(job.result_bytes > 0 && job.result_bytes < 1 << 20 && job.kept_until > (uint64_t)time(NULL) + 6 * 86400);
    // What is complete is not given up.
    MUST(sealock_remote_node_cancel(r->node, asked.request, &job, &error));
    CHECK(job.state == SEALOCK_REMOTE_JOB_COMPLETE);

    MUST(sealock_remote_node_discard(r->node, asked.request, &error));
    MUST(sealock_remote_node_status(r->node, asked.request, &job, &error));
    CHECK(job.state == SEALOCK_REMOTE_JOB_EXPIRED);
    CHECK(job.result_bytes == SEALOCK_UNKNOWN && job.kept_until == SEALOCK_UNKNOWN);
    FAILS(SEALOCK_ERROR_NOT_FOUND,
          sealock_remote_node_run(r->node, asked.request, NULL, &again.result, &again.receipt, &error));
    close_released(&first);
    close_asked(&asked);
}

// A use that was spent pays for no other request.
static void a_refusal_says_no_more(const struct researcher *r) {
    sealock_query *query = people_query(40);
    struct asked replay;
    struct released none;
    sealock_remote_job job = {.struct_size = sizeof job};
    MUST(sealock_order_request_use(r->order, query, 0, &replay.ticket, &error));
    MUST(sealock_ticket_request(replay.ticket, &replay.request, &error));
    FAILS(SEALOCK_ERROR_REJECTED, sealock_remote_node_submit(r->node, replay.request, &job, &error));
    FAILS(SEALOCK_ERROR_REJECTED,
          sealock_remote_node_run(r->node, replay.request, NULL, &none.result, &none.receipt, &error));
    CHECK(none.result == NULL && none.receipt == NULL);
    close_asked(&replay);
    sealock_query_free(query);
}

// Whoever cancels has given up the wait, and finds the job again.
static void waiting_is_cancelled(const struct researcher *r) {
    struct asked asked = ask(r);
    struct released released;
    sealock_cancel *cancel;
    MUST(sealock_cancel_new(&cancel, &error));
    MUST(sealock_cancel_request(cancel, &error));
    sealock_watch watch = {.struct_size = sizeof watch, .cancel = cancel};
    FAILS(SEALOCK_ERROR_CANCELLED,
          sealock_remote_node_run(r->node, asked.request, &watch, &released.result, &released.receipt, &error));
    MUST(sealock_remote_node_run(r->node, asked.request, NULL, &released.result, &released.receipt, &error));
    the_answer_is_right(&asked, &released);
    sealock_cancel_free(cancel);
    close_released(&released);
    close_asked(&asked);
}

// What a node acknowledged it has, and what it did not it is asked again.
static void a_node_that_is_killed_finishes(const struct researcher *r) {
    struct asked acknowledged = ask(r), unsent = ask(r);
    struct released released;
    sealock_remote_job job = {.struct_size = sizeof job};
    char line[32] = "";
    const char *noted = getenv("NODE_PID");
    FILE *file = noted ? fopen(noted, "r") : NULL;
    if (!CHECK(file && fgets(line, sizeof line, file) && atoi(line) > 0)) exit(1);
    fclose(file);
    MUST(sealock_remote_node_submit(r->node, acknowledged.request, &job, &error));
    CHECK(job.state <= SEALOCK_REMOTE_JOB_COMPLETE);
    CHECK(kill(atoi(line), SIGKILL) == 0);
    MUST(sealock_remote_node_run(r->node, acknowledged.request, NULL, &released.result, &released.receipt, &error));
    the_answer_is_right(&acknowledged, &released);
    close_released(&released);
    MUST(sealock_remote_node_run(r->node, unsent.request, NULL, &released.result, &released.receipt, &error));
    the_answer_is_right(&unsent, &released);
    close_released(&released);
    close_asked(&acknowledged);
    close_asked(&unsent);
}

// The keys that open a result are in the folder.
static void a_ticket_is_found_in_the_folder(const char *url, const char *folder) {
    sealock_account *account;
    struct asked asked;
    struct released released;
    sealock_tickets *tickets;
    size_t count;
    MUST(sealock_account_generate(&account, &error));
    struct researcher r = open_researcher(url, folder, account);
    asked = ask(&r);
    close_asked(&asked);
    close_researcher(&r);

    MUST(sealock_exchange_connect(url, folder, NULL, &r.exchange, &error));
    MUST(sealock_exchange_node(r.exchange, &r.node, &error));
    MUST(sealock_exchange_consumer(r.exchange, account, &r.consumer, &error));
    MUST(sealock_consumer_tickets(r.consumer, &tickets, &error));
    MUST(sealock_tickets_count(tickets, &count, &error));
    CHECK(count == 1);
    MUST(sealock_tickets_get(tickets, 0, &asked.ticket, &error));
    MUST(sealock_ticket_renew(asked.ticket, &error));
    MUST(sealock_ticket_request(asked.ticket, &asked.request, &error));
    MUST(sealock_remote_node_run(r.node, asked.request, NULL, &released.result, &released.receipt, &error));
    the_answer_is_right(&asked, &released);
    close_released(&released);
    close_asked(&asked);
    sealock_tickets_free(tickets);
    sealock_consumer_free(r.consumer);
    sealock_remote_node_free(r.node);
    sealock_exchange_free(r.exchange);
    sealock_account_free(account);
}

static void on_a_node(const char *url) {
    char folder[] = "/tmp/sealock-remote-XXXXXX";
    sealock_account *account;
    make_folder(folder);
    MUST(sealock_account_generate(&account, &error));
    struct researcher r = open_researcher(url, NULL, account);
    the_node_says_what_it_is(url, &r);
    a_job_is_asked_for_and_found_again(&r);
    a_refusal_says_no_more(&r);
    waiting_is_cancelled(&r);
    a_ticket_is_found_in_the_folder(url, folder);
    a_node_that_is_killed_finishes(&r);
    close_researcher(&r);
    sealock_account_free(account);
    remove_folder(folder);
}

int main(int count, char **arguments) {
    if (count > 2) return fprintf(stderr, "remote [<URL of a node>]\n"), 2;
    no_node();
    if (count == 2) on_a_node(arguments[1]);
    return failures("remote");
}
