// One handle in many threads, handles freed while they are used, work cancelled from another thread.

#include <pthread.h>
#include <stdatomic.h>

#include "market.h"

enum { THREADS = 8 };

static void start(pthread_t *thread, void *(*run)(void *), void *with) {
    if (pthread_create(thread, NULL, run, with) != 0) abort();
}

// ------------------------------------------------------------------------------------------- one handle, many threads

struct shared {
    struct market market;
    sealock_query *query;
    sealock_column *column;
    atomic_int answered, failed;
};

// Asks and answers with everybody's handles.
static void *ask(void *with) {
    struct shared *shared = with;
    sealock_ticket *ticket = NULL;
    sealock_request *request = NULL;
    sealock_result *result = NULL;
    sealock_receipt *receipt = NULL;
    sealock_answer *answer = NULL;
    double mean;
    int32_t present;
    int right = sealock_order_request(shared->market.order, shared->query, NULL, &ticket, NULL) == SEALOCK_OK &&
                sealock_ticket_request(ticket, &request, NULL) == SEALOCK_OK &&
                sealock_node_run(shared->market.node, request, NULL, &result, &receipt, NULL) == SEALOCK_OK &&
                sealock_ticket_open(ticket, result, receipt, &answer, NULL) == SEALOCK_OK &&
                sealock_answer_double(answer, "mean(visits)", 1, &mean, &present, NULL) == SEALOCK_OK && mean == 5.5;
    atomic_fetch_add(right ? &shared->answered : &shared->failed, 1);
    sealock_answer_free(answer);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    return NULL;
}

static void *describe(void *with) {
    struct shared *shared = with;
    for (int i = 0; i < 1000; i++) {
        if (sealock_column_describe(shared->column, "a text", NULL) != SEALOCK_OK) atomic_fetch_add(&shared->failed, 1);
        if (sealock_column_dimension(shared->column, NULL) != SEALOCK_OK) atomic_fetch_add(&shared->failed, 1);
    }
    return NULL;
}

static void threads_share_handles(void) {
    static struct shared shared;
    pthread_t threads[THREADS];
    shared.market = open_market(NULL);
    shared.query = people_query(0);
    MUST(sealock_column_boolean("b", &shared.column, &error));
    for (int i = 0; i < THREADS; i++) start(&threads[i], i % 2 ? describe : ask, &shared);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(shared.answered == THREADS / 2 && shared.failed == 0);
    // Each request took a use of its own.
    uint64_t uses;
    MUST(sealock_order_uses_left(shared.market.order, &uses, &error));
    CHECK(uses == 20 - THREADS / 2);
    sealock_column_free(shared.column);
    sealock_query_free(shared.query);
    close_market(&shared.market);
}

struct shared_group {
    sealock_group *group;
    atomic_int next, failed;
};

// Inserts leaves that nobody else does, and reads what others change.
static void *insert(void *with) {
    struct shared_group *shared = with;
    uint8_t leaf[SEALOCK_SCALAR_BYTES], begins[SEALOCK_SCALAR_BYTES];
    for (int i = 0; i < 50; i++) {
        sealock_merkle_proof *path = NULL;
        size_t index;
        uint64_t number = 1 + (uint64_t)atomic_fetch_add(&shared->next, 1);
        int right = sealock_scalar_from_integer(number, leaf, sizeof leaf, NULL) == SEALOCK_OK &&
                    sealock_group_insert(shared->group, leaf, sizeof leaf, &index, NULL) == SEALOCK_OK &&
                    sealock_group_proof(shared->group, index, &path, NULL) == SEALOCK_OK &&
                    sealock_merkle_proof_leaf(path, begins, sizeof begins, NULL) == SEALOCK_OK &&
                    memcmp(leaf, begins, sizeof leaf) == 0;
        if (!right) atomic_fetch_add(&shared->failed, 1);
        sealock_merkle_proof_free(path);
    }
    return NULL;
}

static void threads_share_a_group(void) {
    static struct shared_group shared;
    pthread_t threads[THREADS];
    size_t count;
    MUST(sealock_group_new(&shared.group, &error));
    for (int i = 0; i < THREADS; i++) start(&threads[i], insert, &shared);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    MUST(sealock_group_count(shared.group, &count, &error));
    CHECK(count == THREADS * 50 && shared.failed == 0);
    sealock_group_free(shared.group);
}

// -------------------------------------------------------------------------------------------------- freed while in use

struct race {
    sealock_schema *schema;
    sealock_buffer *buffer;
    atomic_int go;
    atomic_int freed, read, refused, other;
};

static void count(struct race *race, sealock_status status) {
    atomic_fetch_add(status == SEALOCK_OK ? &race->read
                     : status == SEALOCK_ERROR_INVALID_ARGUMENT ? &race->refused : &race->other, 1);
}

static void *race(void *with) {
    struct race *race = with;
    while (!atomic_load(&race->go)) {}
    for (int i = 0; i < 200; i++) {
        sealock_buffer *text = NULL;
        count(race, sealock_schema_to_text(race->schema, &text, NULL));
        sealock_buffer_free(text);
    }
    // Everybody frees it; one of them does.
    if (sealock_schema_free(race->schema) == SEALOCK_OK) atomic_fetch_add(&race->freed, 1);
    return NULL;
}

static void a_handle_is_freed_once_however_many_try(void) {
    for (int round = 0; round < 20; round++) {
        static struct race state;
        pthread_t threads[THREADS];
        memset(&state, 0, sizeof state);
        state.schema = people_schema();
        for (int i = 0; i < THREADS; i++) start(&threads[i], race, &state);
        atomic_store(&state.go, 1);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        CHECK(state.freed == 1 && state.other == 0);
        CHECK(state.read >= 200 && state.read + state.refused == THREADS * 200);
    }
}

// ------------------------------------------------------------------------------------- freed and cancelled during a call

struct long_call {
    struct market market;
    sealock_query *query;
    sealock_cancel *cancel;
    atomic_int begun;
    sealock_status status;
    sealock_ticket *ticket;
};

static int32_t begun(void *user, const sealock_step *step) {
    (void)step;
    atomic_store((atomic_int *)user, 1);
    return 0;
}

static void *request(void *with) {
    struct long_call *call = with;
    sealock_watch watch = {.struct_size = sizeof watch, .progress = begun, .user = &call->begun, .cancel = call->cancel};
    call->status = sealock_order_request(call->market.order, call->query, &watch, &call->ticket, NULL);
    return NULL;
}

static void a_call_outlives_its_handles(void) {
    static struct long_call call;
    pthread_t thread;
    call.market = open_market(NULL);
    call.query = people_query(0);
    MUST(sealock_cancel_new(&call.cancel, &error));
    start(&thread, request, &call);
    while (!atomic_load(&call.begun)) {}
    // Everything that the call uses is freed under it.
    sealock_cancel_free(call.cancel);
    sealock_query_free(call.query);
    close_market(&call.market);
    pthread_join(thread, NULL);
    CHECK(call.status == SEALOCK_OK && call.ticket != NULL);
    sealock_ticket_free(call.ticket);
}

static void another_thread_cancels(void) {
    static struct long_call call;
    pthread_t thread;
    call.market = open_market(NULL);
    call.query = people_query(0);
    MUST(sealock_cancel_new(&call.cancel, &error));
    start(&thread, request, &call);
    while (!atomic_load(&call.begun)) {}
    MUST(sealock_cancel_request(call.cancel, &error));
    pthread_join(thread, NULL);
    CHECK(call.status == SEALOCK_ERROR_CANCELLED && call.ticket == NULL);
    // The order is as good as before.
    sealock_cancel_free(call.cancel);
    call.cancel = NULL;
    request(&call);
    CHECK(call.status == SEALOCK_OK);
    sealock_ticket_free(call.ticket);
    sealock_query_free(call.query);
    close_market(&call.market);
}

int main(void) {
    threads_share_handles();
    threads_share_a_group();
    a_handle_is_freed_once_however_many_try();
    a_call_outlives_its_handles();
    another_thread_cancels();
    return failures("threads");
}
