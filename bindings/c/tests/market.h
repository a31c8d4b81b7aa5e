// A small market for the tests: an owner with one asset, and a consumer with an order.

#ifndef MARKET_H
#define MARKET_H

#include "check.h"

struct market {
    sealock_exchange *exchange;
    sealock_account *owner_account, *consumer_account;
    sealock_owner *owner;
    sealock_node *node;
    sealock_schema *schema;
    sealock_table *table;
    sealock_policy *policy;
    sealock_terms *terms;
    sealock_offer *offer;
    sealock_published *published;
    sealock_asset *asset;
    sealock_consumer *consumer;
    sealock_order *order;
};

// Whether a text is this, and frees it.
static inline int says(sealock_buffer *buffer, const char *text) {
    int right = sealock_buffer_text(buffer) && strcmp(sealock_buffer_text(buffer), text) == 0;
    if (!right) fprintf(stderr, "  got %s\n", sealock_buffer_text(buffer));
    sealock_buffer_free(buffer);
    return right;
}

static const char PEOPLE[] =
    "plan,age,visits\n"
    "free,12,1\nfree,15,2\nfree,71,5\n"
    "paid,18,2\npaid,30,4\npaid,34,\npaid,66,7\npaid,67,9\n";

// Columns: plan (free, paid), age in two bins from 0 and 40 to 99, visits with missing values.
static inline sealock_schema *people_schema(void) {
    sealock_column *columns[3];
    sealock_schema *schema;
    MUST(sealock_column_category("plan", LIST("free", "paid"), &columns[0], &error));
    MUST(sealock_column_dimension(columns[0], &error));
    MUST(sealock_column_integer("age", 0, 99, &columns[1], &error));
    MUST(sealock_column_dimension(columns[1], &error));
    MUST(sealock_column_bins(columns[1], LIST("0", "40", "99"), &error));
    MUST(sealock_column_integer("visits", 0, 50, &columns[2], &error));
    MUST(sealock_column_measure(columns[2], &error));
    MUST(sealock_column_nullable(columns[2], &error));
    MUST(sealock_schema_new((const sealock_column *const *)columns, COUNT(columns), &schema, &error));
    for (size_t i = 0; i < COUNT(columns); i++) sealock_column_free(columns[i]);
    return schema;
}

static inline sealock_policy *people_policy_of_queries(void) {
    sealock_policy *policy;
    MUST(sealock_policy_deny_all(&policy, &error));
    MUST(sealock_policy_dimensions(policy, LIST("plan", "age"), &error));
    MUST(sealock_policy_measures(policy, LIST("visits"), &error));
    MUST(sealock_policy_aggregation(policy, SEALOCK_AGGREGATION_COUNT, &error));
    MUST(sealock_policy_aggregation(policy, SEALOCK_AGGREGATION_MEAN, &error));
    MUST(sealock_policy_aggregation(policy, SEALOCK_AGGREGATION_VARIANCE, &error));
    MUST(sealock_policy_aggregation(policy, SEALOCK_AGGREGATION_HISTOGRAM, &error));
    MUST(sealock_policy_any_program(policy, &error));
    MUST(sealock_policy_min_group_size(policy, 1, &error));
    return policy;
}

static inline sealock_policy *people_policy(void) {
    sealock_policy *policy = people_policy_of_queries();
    MUST(sealock_policy_allow_download(policy, &error));
    return policy;
}

// Opens the market in a folder, or in memory if it is NULL.
static inline struct market open_market(const char *folder) {
    struct market m;
    if (folder) MUST(sealock_exchange_local(folder, &m.exchange, &error));
    else MUST(sealock_exchange_in_memory(&m.exchange, &error));
    MUST(sealock_account_generate(&m.owner_account, &error));
    MUST(sealock_account_generate(&m.consumer_account, &error));
    MUST(sealock_exchange_owner(m.exchange, m.owner_account, &m.owner, &error));
    MUST(sealock_owner_node(m.owner, &m.node, &error));
    m.schema = people_schema();
    MUST(sealock_table_from_csv(m.schema, (const uint8_t *)PEOPLE, strlen(PEOPLE), 0, &m.table, &error));
    m.policy = people_policy();
    MUST(sealock_terms_free_of_charge(5, &m.terms, &error));
    MUST(sealock_terms_uses_per_order(m.terms, 20, &error));
    MUST(sealock_offer_new("People", m.table, m.policy, m.terms, &m.offer, &error));
    MUST(sealock_owner_publish(m.owner, m.offer, NULL, &m.published, &error));
    MUST(sealock_published_asset(m.published, &m.asset, &error));
    MUST(sealock_exchange_consumer(m.exchange, m.consumer_account, &m.consumer, &error));
    MUST(sealock_consumer_buy(m.consumer, m.asset, 1, &error));
    MUST(sealock_consumer_order(m.consumer, m.asset, &m.order, &error));
    return m;
}

static inline void close_market(struct market *m) {
    sealock_order_free(m->order);
    sealock_consumer_free(m->consumer);
    sealock_asset_free(m->asset);
    sealock_published_free(m->published);
    sealock_offer_free(m->offer);
    sealock_terms_free(m->terms);
    sealock_policy_free(m->policy);
    sealock_table_free(m->table);
    sealock_schema_free(m->schema);
    sealock_node_free(m->node);
    sealock_owner_free(m->owner);
    sealock_account_free(m->consumer_account);
    sealock_account_free(m->owner_account);
    sealock_exchange_free(m->exchange);
}

// Mean and count of visits by plan, of people of a secret age from 0 on: of everybody.
static inline sealock_query *people_query(int64_t from_age) {
    sealock_literals *literals;
    sealock_filter *filter;
    sealock_query *query;
    MUST(sealock_literals_new(&literals, &error));
    MUST(sealock_literals_integer(literals, from_age, &error));
    MUST(sealock_literals_hide(literals, &error));
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

#endif
