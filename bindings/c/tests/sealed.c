// Sealed data: an owner encrypts a table, executors that hold no key compute on it, and what two of them agree on is released.

#define _XOPEN_SOURCE 700

#include <pthread.h>

#include "folder.h"
#include "market.h"
#include "task.h"

enum { ANNA, BERT, LIAR, EXECUTORS };

// Rows in a chunk, and what the chunks are then: two of people, and one that the owner has made up.
enum { ROWS = 4, CHUNKS = 3 };

struct world {
    struct market market; // its asset is the same table, not sealed
    sealock_asset *asset;
    sealock_order *order;
    sealock_query *query;
    sealock_account *accounts[EXECUTORS];
    sealock_executor *executors[EXECUTORS];
    sealock_releaser *releaser;
};

// One job: the consumer's ticket, and its name.
struct job {
    sealock_ticket *ticket;
    sealock_request *request;
    uint8_t name[SEALOCK_DIGEST_BYTES];
};

static char folder[] = "/tmp/sealock-sealed-XXXXXX";

static int same(sealock_buffer *left, const void *right, size_t length) {
    return sealock_buffer_length(left) == length && memcmp(sealock_buffer_data(left), right, length) == 0;
}

// Mean and count of visits by plan, of people of 40 and more.
static sealock_query *question(int hidden) {
    sealock_literals *literals;
    sealock_filter *filter;
    sealock_query *query;
    MUST(sealock_literals_new(&literals, &error));
    MUST(sealock_literals_integer(literals, 40, &error));
    if (hidden) MUST(sealock_literals_hide(literals, &error));
    MUST(sealock_filter_compare("age", SEALOCK_OP_GE, literals, &filter, &error));
    MUST(sealock_query_new(&query, &error));
    MUST(sealock_query_mean(query, "visits", &error));
    MUST(sealock_query_count(query, &error));
    MUST(sealock_query_filter(query, filter, &error));
    MUST(sealock_query_group_by(query, LIST("plan"), &error));
    sealock_filter_free(filter);
    sealock_literals_free(literals);
    return query;
}

// One of those on the plan "free" is that old, and made 5 visits; two pay, and made 7 and 9.
static void check_answer(const sealock_answer *answer) {
    static const struct {
        const char *plan, *sum, *values;
    } expected[] = {{"free", "5", "1"}, {"paid", "16", "2"}};
    size_t rows;
    uint8_t scale;
    sealock_buffer *text, *over;
    MUST(sealock_answer_rows(answer, &rows, &error));
    CHECK(rows == COUNT(expected));
    for (size_t row = 0; row < COUNT(expected); row++) {
        MUST(sealock_answer_group(answer, "plan", row, &text, &error));
        CHECK(says(text, expected[row].plan));
        MUST(sealock_answer_exact(answer, "mean(visits)", row, &text, &scale, &over, &error));
        CHECK(says(text, expected[row].sum) && says(over, expected[row].values) && scale == 0);
        MUST(sealock_answer_exact(answer, "count", row, &text, &scale, &over, &error));
        CHECK(says(text, expected[row].values) && over == NULL);
    }
}

// What cannot be sealed is refused before anything is encrypted.
static void options_are_checked(const struct market *m) {
    static const char *const measure[] = {"visits"};
    sealock_published *published;
    for (int wrong = 0; wrong < 4; wrong++) {
        sealock_offer *offer;
        MUST(sealock_offer_new("Sealed people", m->table, m->policy, m->terms, &offer, &error));
        if (wrong == 0) MUST(sealock_offer_seal_quorum(offer, 0, &error));
        if (wrong == 1) MUST(sealock_offer_seal_rows_per_chunk(offer, 513, &error));
        if (wrong == 2) MUST(sealock_offer_seal_canaries(offer, UINT32_MAX, &error));
        if (wrong == 3) MUST(sealock_offer_seal_public(offer, measure, 1, &error));
        sealock_error *why = NULL;
        sealock_status status = sealock_owner_publish(m->owner, offer, NULL, &published, &why);
        CHECK(status == SEALOCK_ERROR_INVALID_ARGUMENT || (wrong == 3 && status != SEALOCK_OK));
        CHECK(published == NULL && why != NULL);
        sealock_error_free(why);
        sealock_offer_free(offer);
    }
}

static struct world open_world(void) {
    struct world w;
    sealock_offer *offer;
    sealock_published *published;
    int32_t sealed, packed;
    w.market = open_market(folder);
    struct market *m = &w.market;
    options_are_checked(m);
    MUST(sealock_offer_new("Sealed people", m->table, m->policy, m->terms, &offer, &error));
    MUST(sealock_offer_seal(offer, &error));
    MUST(sealock_offer_seal_public(offer, LIST("age"), &error));
    MUST(sealock_offer_seal_public(offer, LIST("plan"), &error));
    MUST(sealock_offer_seal_rows_per_chunk(offer, ROWS, &error));
    MUST(sealock_offer_seal_canaries(offer, CHUNKS - 2, &error));
    MUST(sealock_offer_seal_quorum(offer, 2, &error));
    MUST(sealock_offer_seal_packed(offer, 0, &error));
    MUST(sealock_owner_publish(m->owner, offer, NULL, &published, &error));
    MUST(sealock_published_asset(published, &w.asset, &error));
    MUST(sealock_published_is_packed(published, &packed, &error));
    CHECK(!packed);
    sealock_published_free(published);
    sealock_offer_free(offer);
    MUST(sealock_asset_is_sealed(m->asset, &sealed, &error));
    CHECK(!sealed);
    MUST(sealock_asset_is_sealed(w.asset, &sealed, &error));
    CHECK(sealed == 1);

    MUST(sealock_consumer_buy(m->consumer, w.asset, 1, &error));
    MUST(sealock_consumer_order(m->consumer, w.asset, &w.order, &error));
    w.query = question(0);

    // One executor shares the exchange's store, the others are in its folder as other processes would be.
    uint8_t addresses[EXECUTORS][SEALOCK_ADDRESS_BYTES];
    for (int i = 0; i < EXECUTORS; i++) {
        MUST(sealock_account_generate(&w.accounts[i], &error));
        if (i == ANNA) MUST(sealock_exchange_executor(m->exchange, w.accounts[i], &w.executors[i], &error));
        else MUST(sealock_executor_local(folder, w.accounts[i], &w.executors[i], &error));
        uint8_t account[SEALOCK_ADDRESS_BYTES];
        MUST(sealock_executor_address(w.executors[i], addresses[i], sizeof addresses[i], &error));
        MUST(sealock_account_address(w.accounts[i], account, sizeof account, &error));
        CHECK(memcmp(account, addresses[i], sizeof account) == 0);
    }
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_node_releaser(m->node, addresses[0], sizeof addresses - 1, &w.releaser, &error));
    MUST(sealock_node_releaser(m->node, addresses[0], sizeof addresses, &w.releaser, &error));
    return w;
}

static void close_world(struct world *w) {
    sealock_releaser_free(w->releaser);
    for (int i = 0; i < EXECUTORS; i++) {
        sealock_executor_free(w->executors[i]);
        sealock_account_free(w->accounts[i]);
    }
    sealock_query_free(w->query);
    sealock_order_free(w->order);
    sealock_asset_free(w->asset);
    close_market(&w->market);
}

static struct job ask(const struct world *w) {
    struct job job;
    MUST(sealock_order_request(w->order, w->query, NULL, &job.ticket, &error));
    MUST(sealock_ticket_request(job.ticket, &job.request, &error));
    MUST(sealock_ticket_job(job.ticket, job.name, sizeof job.name, &error));
    return job;
}

static void forget(struct job *job) {
    sealock_request_free(job->request);
    sealock_ticket_free(job->ticket);
}

// The grant of a job that was admitted.
static sealock_grant *granted(const struct world *w, const struct job *job) {
    sealock_grant *grant;
    MUST(sealock_releaser_grant(w->releaser, job->name, sizeof job->name, &grant, &error));
    CHECK(grant != NULL);
    return grant;
}

static sealock_task *task_of(const struct world *w, const struct job *job) {
    sealock_grant *grant;
    sealock_task *task;
    MUST(sealock_node_admit(w->market.node, job->request, &grant, &error));
    MUST(sealock_releaser_task(w->releaser, grant, &task, &error));
    sealock_grant_free(grant);
    return task;
}

// What is signed under as many results of parts as there are chunks, beginning with one of them.
static sealock_executor_result *joined(const sealock_executor *executor, const sealock_task *task,
                                       sealock_buffer *const *parts, size_t first) {
    const char *cids[CHUNKS];
    sealock_executor_result *result;
    for (size_t i = 0; i < CHUNKS; i++) cids[i] = sealock_buffer_text(parts[(first + i) % CHUNKS]);
    MUST(sealock_executor_join(executor, task, cids, CHUNKS, &result, &error));
    return result;
}

// As it arrives elsewhere.
static sealock_executor_result *sent(sealock_executor_result *result) {
    sealock_buffer *bytes;
    sealock_executor_result *read;
    MUST(sealock_executor_result_to_bytes(result, &bytes, &error));
    MUST(sealock_executor_result_from_bytes(sealock_buffer_data(bytes), sealock_buffer_length(bytes), &read, &error));
    sealock_buffer_free(bytes);
    sealock_executor_result_free(result);
    return read;
}

static void releases(const struct world *w, const struct job *job, const sealock_executor_result *const *results,
                     size_t count) {
    sealock_grant *grant = granted(w, job), *none;
    sealock_result *result, *other;
    sealock_receipt *receipt, *no_receipt;
    sealock_answer *answer;
    sealock_buffer *device;
    sealock_texts *executors;
    sealock_executed executed = {.struct_size = sizeof executed};
    size_t agreeing;
    int32_t present;
    MUST(sealock_releaser_release(w->releaser, grant, results, count, &result, &receipt, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_releaser_release(w->releaser, grant, results, count, &other, &no_receipt, &error));
    CHECK(other == NULL && no_receipt == NULL);
    sealock_grant_free(grant);
    MUST(sealock_ticket_open(job->ticket, result, receipt, &answer, &error));
    check_answer(answer);

    MUST(sealock_receipt_executed(receipt, &present, &executed, &error));
    CHECK(present == 1 && executed.quorum == 2 && executed.results == count && executed.canaries == CHUNKS - 2);
    MUST(sealock_receipt_executors(receipt, &executors, &error));
    MUST(sealock_texts_count(executors, &agreeing, &error));
    CHECK(agreeing == 2);
    MUST(sealock_receipt_device(receipt, &device, &error));
    CHECK(says(device, "cpu"));

    // A job has one result for good, and waits for no more.
    MUST(sealock_releaser_grant(w->releaser, job->name, sizeof job->name, &none, &error));
    CHECK(none == NULL);
    uint8_t digests[2][SEALOCK_DIGEST_BYTES];
    MUST(sealock_node_admit(w->market.node, job->request, &grant, &error));
    MUST(sealock_releaser_release(w->releaser, grant, NULL, 0, &other, &no_receipt, &error));
    MUST(sealock_result_digest(result, digests[0], sizeof digests[0], &error));
    MUST(sealock_result_digest(other, digests[1], sizeof digests[1], &error));
    CHECK(memcmp(digests[0], digests[1], sizeof digests[0]) == 0);

    sealock_grant_free(grant);
    sealock_receipt_free(no_receipt);
    sealock_result_free(other);
    sealock_texts_free(executors);
    sealock_answer_free(answer);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
}

// Nothing is released, and only the owner is told why.
static void refuses(const struct world *w, const struct job *job, const sealock_executor_result *const *results,
                    size_t count, const char *reason) {
    sealock_grant *grant = granted(w, job);
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_refusals *refusals;
    sealock_error *why = NULL;
    size_t noted;
    int told = 0;
    CHECK(sealock_releaser_release(w->releaser, grant, results, count, &result, &receipt, &why) == SEALOCK_ERROR_REJECTED);
    CHECK(result == NULL && receipt == NULL);
    CHECK(strcmp(sealock_error_message(why), "no result was released") == 0);
    sealock_error_free(why);
    sealock_grant_free(grant);
    MUST(sealock_node_refusals(w->market.node, &refusals, &error));
    MUST(sealock_refusals_count(refusals, &noted, &error));
    // One for each result that does not count, and one for all of them.
    for (size_t i = noted > count + 1 ? noted - count - 1 : 0; i < noted; i++) {
        uint64_t at;
        sealock_status code;
        sealock_buffer *asset, *text;
        MUST(sealock_refusals_get(refusals, i, &at, &code, &asset, &text, &error));
        told |= strstr(sealock_buffer_text(text), reason) != NULL;
        sealock_buffer_free(asset);
        sealock_buffer_free(text);
    }
    if (!CHECK(told)) fprintf(stderr, "  nothing says \"%s\"\n", reason);
    sealock_refusals_free(refusals);
}

static size_t struck(const struct world *w) {
    sealock_texts *texts;
    size_t count;
    MUST(sealock_releaser_struck(w->releaser, w->asset, &texts, &error));
    MUST(sealock_texts_count(texts, &count, &error));
    sealock_texts_free(texts);
    return count;
}

// An executor at work in a thread of its own. Checks are for the thread that waits for it.
struct work {
    const sealock_executor *executor;
    const sealock_task *task;
    sealock_executor_result *result;
    uint64_t done, total;
    int stop;
    sealock_status status;
};

static int32_t working(void *user, const sealock_step *step) {
    struct work *work = user;
    work->done = step->done;
    work->total = step->total;
    return work->stop;
}

static void *run(void *with) {
    struct work *work = with;
    sealock_watch watch = {.struct_size = sizeof watch, .progress = working, .user = work};
    work->status = sealock_executor_run(work->executor, work->task, &watch, &work->result, NULL);
    return NULL;
}

// Tasks, parts and results are the same after they have travelled, and are nothing when they are cut short.
static sealock_task *task_travels(const struct world *w, const struct job *job, sealock_task *task) {
    sealock_buffer *bytes, *again, *text, *did;
    sealock_task *read, *none;
    uint8_t name[SEALOCK_DIGEST_BYTES];
    MUST(sealock_task_to_bytes(task, &bytes, &error));
    size_t length = sealock_buffer_length(bytes);
    const uint8_t *data = sealock_buffer_data(bytes);
    MUST(sealock_task_from_bytes(data, length, &read, &error));
    MUST(sealock_task_to_bytes(read, &again, &error));
    CHECK(same(again, data, length));
    for (size_t cut = 0; cut < length; cut++) {
        FAILS(SEALOCK_ERROR_MALFORMED, sealock_task_from_bytes(data, cut, &none, &error));
        CHECK(none == NULL);
    }
    sealock_part *part;
    sealock_executor_result *result;
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_part_from_bytes(data, length, &part, &error));
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_executor_result_from_bytes(data, length, &result, &error));

    MUST(sealock_task_job(read, name, sizeof name, &error));
    CHECK(memcmp(name, job->name, sizeof name) == 0);
    MUST(sealock_task_asset(read, &text, &error));
    MUST(sealock_asset_did(w->asset, &did, &error));
    CHECK(says(text, sealock_buffer_text(did)));
    int32_t packed = -1;
    MUST(sealock_task_is_packed(read, &packed, &error));
    CHECK(packed == 0);
    MUST(sealock_task_manifest(read, &text, &error));
    CHECK(strncmp(sealock_buffer_text(text), "bafy", 4) == 0);
    sealock_buffer_free(text);
    sealock_buffer_free(did);
    sealock_buffer_free(again);
    sealock_buffer_free(bytes);
    sealock_task_free(task);
    return read;
}

// Runs each part by itself, as it arrives elsewhere, and keeps the CIDs of what came out.
static void run_parts(const sealock_executor *executor, const sealock_task *task, sealock_buffer **out) {
    sealock_parts *parts;
    sealock_part *part, *read, *none;
    sealock_buffer *bytes, *chunks[2];
    size_t count;
    MUST(sealock_executor_parts(executor, task, &parts, &error));
    MUST(sealock_parts_count(parts, &count, &error));
    if (!CHECK(count == CHUNKS)) exit(1);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_parts_get(parts, count, &none, &error));
    CHECK(none == NULL);
    for (size_t i = 0; i < count; i++) {
        MUST(sealock_parts_get(parts, i, &part, &error));
        MUST(sealock_part_to_bytes(part, &bytes, &error));
        size_t length = sealock_buffer_length(bytes);
        MUST(sealock_part_from_bytes(sealock_buffer_data(bytes), length, &read, &error));
        FAILS(SEALOCK_ERROR_MALFORMED, sealock_part_from_bytes(sealock_buffer_data(bytes), length - 1, &none, &error));
        MUST(sealock_part_chunk(part, &chunks[0], &error));
        MUST(sealock_part_chunk(read, &chunks[1], &error));
        CHECK(says(chunks[0], sealock_buffer_text(chunks[1])));
        sealock_buffer_free(chunks[1]);
        MUST(sealock_executor_run_part(executor, read, &out[i], &error));
        sealock_buffer_free(bytes);
        sealock_part_free(read);
        sealock_part_free(part);
    }
    sealock_parts_free(parts);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_parts_count(parts, &count, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_parts_get(parts, 0, &part, &error));
    CHECK(sealock_parts_free(parts) == SEALOCK_ERROR_INVALID_ARGUMENT);
}

// Two executors that do not know each other compute, and the answer is the plaintext answer. Keeps the results of the parts.
static void two_agree(const struct world *w, sealock_buffer **parts) {
    struct job job = ask(w);
    sealock_task *task = task_travels(w, &job, task_of(w, &job));

    // Work that is stopped leaves nothing.
    struct work work = {.executor = w->executors[ANNA], .task = task, .stop = 1};
    run(&work);
    CHECK(work.status == SEALOCK_ERROR_CANCELLED && work.result == NULL);
    // What is not in a store is not computed.
    sealock_exchange *nowhere;
    sealock_executor *lost;
    sealock_executor_result *none;
    sealock_parts *no_parts;
    sealock_task *no_task;
    MUST(sealock_exchange_in_memory(&nowhere, &error));
    MUST(sealock_exchange_executor(nowhere, w->accounts[ANNA], &lost, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_executor_run(lost, task, NULL, &none, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_executor_parts(lost, task, &no_parts, &error));
    sealock_executor_free(lost);
    sealock_exchange_free(nowhere);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_executor_join(w->executors[ANNA], task, LIST("no CID"), &none, &error));

    pthread_t thread;
    work.stop = 0;
    CHECK(pthread_create(&thread, NULL, run, &work) == 0);
    run_parts(w->executors[BERT], task, parts);
    pthread_join(thread, NULL);
    CHECK(work.status == SEALOCK_OK && work.done == CHUNKS && work.total == CHUNKS);

    sealock_executor_result *results[2] = {sent(work.result), sent(joined(w->executors[BERT], task, parts, 0))};
    for (int i = 0; i < 2; i++) {
        uint8_t address[2][SEALOCK_ADDRESS_BYTES];
        sealock_buffer *device, *named;
        sealock_texts *cids;
        size_t count;
        MUST(sealock_executor_result_executor(results[i], address[0], sizeof address[0], &error));
        MUST(sealock_executor_address(w->executors[i], address[1], sizeof address[1], &error));
        CHECK(memcmp(address[0], address[1], sizeof address[0]) == 0);
        MUST(sealock_executor_result_device(results[i], &device, &error));
        MUST(sealock_executor_device(w->executors[i], &named, &error));
        CHECK(says(device, sealock_buffer_text(named)));
        sealock_buffer_free(named);
        MUST(sealock_executor_result_cids(results[i], &cids, &error));
        MUST(sealock_texts_count(cids, &count, &error));
        CHECK(count == CHUNKS);
        // Whoever computes it, it is the same.
        for (size_t chunk = 0; chunk < count; chunk++) {
            sealock_buffer *cid;
            MUST(sealock_texts_get(cids, chunk, &cid, &error));
            CHECK(says(cid, sealock_buffer_text(parts[chunk])));
        }
        sealock_texts_free(cids);
    }

    // The owner's own node does not compute it. The job waits for executors.
    sealock_grant *grant = granted(w, &job);
    sealock_computed *computed;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_node_compute(w->market.node, grant, &computed, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_releaser_task(w->releaser, grant, &no_task, &error));
    sealock_grant_free(grant);
    refuses(w, &job, (const sealock_executor_result *const *)results, 1, "not 2 agree");
    releases(w, &job, (const sealock_executor_result *const *)results, 2);
    CHECK(struck(w) == 0);

    for (int i = 0; i < 2; i++) sealock_executor_result_free(results[i]);
    sealock_task_free(task);
    forget(&job);
}

// One of three lies, one sends what is another job's, one is changed on the way.
static void what_is_wrong_is_not_released(const struct world *w, sealock_buffer *const *parts) {
    struct job earlier = ask(w), job = ask(w);
    sealock_task *other = task_of(w, &earlier), *task = task_of(w, &job);
    // The parts of a task say nothing of the job: what was computed is right for this one, too.
    sealock_executor_result *honest = sent(joined(w->executors[ANNA], task, parts, 0));
    sealock_executor_result *second = joined(w->executors[BERT], task, parts, 0);
    sealock_executor_result *stale = joined(w->executors[BERT], other, parts, 0);
    sealock_executor_result *lie = joined(w->executors[LIAR], task, parts, 1);
    sealock_executor *stranger;
    sealock_account *account;
    MUST(sealock_account_generate(&account, &error));
    MUST(sealock_executor_local(folder, account, &stranger, &error));
    sealock_executor_result *strange = joined(stranger, task, parts, 0), *few;
    MUST(sealock_executor_join(w->executors[BERT], task, LIST(sealock_buffer_text(parts[0])), &few, &error));

    sealock_buffer *bytes;
    sealock_executor_result *changed, *none;
    MUST(sealock_executor_result_to_bytes(second, &bytes, &error));
    size_t length = sealock_buffer_length(bytes);
    uint8_t *bad = malloc(length);
    for (size_t cut = 0; cut < length; cut++) {
        FAILS(SEALOCK_ERROR_MALFORMED,
              sealock_executor_result_from_bytes(sealock_buffer_data(bytes), cut, &none, &error));
        CHECK(none == NULL);
    }
    // Wherever a byte is changed, it is no result, or is not released.
    size_t read = 0;
    for (size_t at = 0; at < length; at += 23) {
        memcpy(bad, sealock_buffer_data(bytes), length);
        bad[at] ^= 1;
        if (sealock_executor_result_from_bytes(bad, length, &changed, NULL) != SEALOCK_OK) continue;
        read++;
        refuses(w, &job, (const sealock_executor_result *[]){honest, changed}, 2, "result of executor");
        sealock_executor_result_free(changed);
    }
    CHECK(read > 0);
    free(bad);
    sealock_buffer_free(bytes);
    CHECK(struck(w) == 0);

    refuses(w, &job, NULL, 0, "of 0 results");
    refuses(w, &job, (const sealock_executor_result *[]){honest, honest}, 2, "of 1 results");
    refuses(w, &job, (const sealock_executor_result *[]){honest, stale}, 2, "it is of another task");
    refuses(w, &job, (const sealock_executor_result *[]){honest, few}, 2, "a result for each chunk");
    refuses(w, &job, (const sealock_executor_result *[]){honest, strange}, 2, "none of the executors");
    CHECK(struck(w) == 0);
    refuses(w, &job, (const sealock_executor_result *[]){honest, lie}, 2, "not 2 agree");
    releases(w, &job, (const sealock_executor_result *[]){honest, lie, second}, 3);

    // Who lied is opened no more, for any job, until it is forgiven.
    CHECK(struck(w) == 1);
    sealock_texts *texts;
    sealock_buffer *named;
    uint8_t liar[SEALOCK_ADDRESS_BYTES], address[SEALOCK_ADDRESS_BYTES];
    MUST(sealock_releaser_struck(w->releaser, w->asset, &texts, &error));
    MUST(sealock_texts_get(texts, 0, &named, &error));
    MUST(sealock_address_from_text(sealock_buffer_text(named), address, sizeof address, &error));
    MUST(sealock_executor_address(w->executors[LIAR], liar, sizeof liar, &error));
    CHECK(memcmp(address, liar, sizeof liar) == 0);
    sealock_buffer_free(named);
    sealock_texts_free(texts);
    sealock_executor_result *first = joined(w->executors[ANNA], other, parts, 0);
    sealock_executor_result *reformed = joined(w->executors[LIAR], other, parts, 0);
    refuses(w, &earlier, (const sealock_executor_result *[]){first, reformed}, 2, "was wrong before");
    MUST(sealock_releaser_forgive(w->releaser, w->asset, liar, sizeof liar, &error));
    CHECK(struck(w) == 0);
    releases(w, &earlier, (const sealock_executor_result *[]){first, reformed}, 2);

    sealock_executor_result *all[] = {honest, second, stale, lie, strange, few, first, reformed};
    // Twice is fine: the two have results in common.
    MUST(sealock_executor_forget(w->executors[ANNA], first, &error));
    MUST(sealock_executor_forget(w->executors[ANNA], reformed, &error));
    for (size_t i = 0; i < COUNT(all); i++) sealock_executor_result_free(all[i]);
    sealock_executor_free(stranger);
    sealock_account_free(account);
    sealock_task_free(task);
    sealock_task_free(other);
    forget(&job);
    forget(&earlier);
}

// What is not sealed has no task, a question with secrets no executor, and a grant one node.
static void what_does_not_belong_is_refused(const struct world *w) {
    const struct market *m = &w->market;
    sealock_query *hidden = question(1);
    sealock_ticket *ticket;
    sealock_request *request;
    sealock_grant *grant;
    sealock_task *task;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_executed executed = {.struct_size = sizeof executed};
    sealock_texts *executors;
    size_t count;
    int32_t present = 7;
    FAILS(SEALOCK_ERROR_UNSUPPORTED_PROGRAM, sealock_order_request(w->order, hidden, NULL, &ticket, &error));

    MUST(sealock_order_request(m->order, hidden, NULL, &ticket, &error));
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_node_admit(m->node, request, &grant, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_releaser_task(w->releaser, grant, &task, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_releaser_release(w->releaser, grant, NULL, 0, &result, &receipt, &error));
    sealock_grant_free(grant);
    MUST(sealock_node_run(m->node, request, NULL, &result, &receipt, &error));
    MUST(sealock_receipt_executed(receipt, &present, &executed, &error));
    CHECK(present == 0 && executed.quorum == 0);
    MUST(sealock_receipt_executors(receipt, &executors, &error));
    MUST(sealock_texts_count(executors, &count, &error));
    CHECK(count == 0);
    sealock_texts_free(executors);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    sealock_query_free(hidden);

    // Another owner's releaser does not use the grant up.
    struct job job = ask(w);
    sealock_account *account;
    sealock_owner *owner;
    sealock_node *node;
    sealock_releaser *other;
    MUST(sealock_account_generate(&account, &error));
    MUST(sealock_exchange_owner(m->exchange, account, &owner, &error));
    MUST(sealock_owner_node(owner, &node, &error));
    MUST(sealock_node_releaser(node, NULL, 0, &other, &error));
    MUST(sealock_node_admit(m->node, job.request, &grant, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_releaser_task(other, grant, &task, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_releaser_release(other, grant, NULL, 0, &result, &receipt, &error));
    MUST(sealock_releaser_task(w->releaser, grant, &task, &error));
    sealock_task_free(task);
    sealock_grant_free(grant);
    sealock_releaser_free(other);
    sealock_node_free(node);
    sealock_owner_free(owner);
    sealock_account_free(account);
    forget(&job);
}

// What was written once is read, and written again as it was.
static void earlier_bytes_are_read(void) {
    sealock_task *task;
    sealock_part *part;
    sealock_buffer *bytes;
    MUST(sealock_task_from_bytes(TASK, sizeof TASK, &task, &error));
    MUST(sealock_task_to_bytes(task, &bytes, &error));
    CHECK(same(bytes, TASK, sizeof TASK));
    sealock_buffer_free(bytes);
    MUST(sealock_part_from_bytes(PART, sizeof PART, &part, &error));
    MUST(sealock_part_to_bytes(part, &bytes, &error));
    CHECK(same(bytes, PART, sizeof PART));
    sealock_buffer_free(bytes);
    sealock_part_free(part);
    sealock_task_free(task);
}

int main(void) {
    make_folder(folder);
    earlier_bytes_are_read();
    struct world w = open_world();
    sealock_buffer *parts[CHUNKS];
    two_agree(&w, parts);
    what_is_wrong_is_not_released(&w, parts);
    what_does_not_belong_is_refused(&w);
    for (size_t i = 0; i < CHUNKS; i++) sealock_buffer_free(parts[i]);
    close_world(&w);
    remove_folder(folder);
    return failures("sealed");
}
