// A program of somebody else's, in C11 and in C++17: asks one question on a market of its own.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sealock.h>

// An error ends the program: all that is checked here is that it builds and links and runs.
static void must(sealock_status status, sealock_error *error) {
    if (status == SEALOCK_OK) return;
    fprintf(stderr, "%s\n", sealock_error_message(error));
    sealock_error_free(error);
    exit(1);
}

int main(void) {
    sealock_error *error = NULL;
    const char *csv = "plan,visits\nfree,1\npaid,4\npaid,7\n";
    const char *columns_csv[] = {"plan"}, *measures[] = {"visits"};
    sealock_exchange *exchange;
    sealock_account *account;
    sealock_owner *owner;
    sealock_node *node;
    sealock_schema *schema;
    sealock_table *table;
    sealock_policy *policy;
    sealock_terms *terms;
    sealock_offer *offer;
    sealock_published *published;
    sealock_asset *asset;
    must(sealock_exchange_in_memory(&exchange, &error), error);
    must(sealock_account_generate(&account, &error), error);
    must(sealock_exchange_owner(exchange, account, &owner, &error), error);
    must(sealock_owner_node(owner, &node, &error), error);
    must(sealock_schema_infer_csv((const uint8_t *)csv, strlen(csv), &schema, &error), error);
    must(sealock_table_from_csv(schema, (const uint8_t *)csv, strlen(csv), 0, &table, &error), error);
    must(sealock_policy_deny_all(&policy, &error), error);
    must(sealock_policy_dimensions(policy, columns_csv, 1, &error), error);
    must(sealock_policy_measures(policy, measures, 1, &error), error);
    must(sealock_policy_aggregation(policy, SEALOCK_AGGREGATION_MEAN, &error), error);
    must(sealock_policy_any_program(policy, &error), error);
    must(sealock_policy_min_group_size(policy, 1, &error), error);
    must(sealock_terms_free_of_charge(1, &terms, &error), error);
    must(sealock_offer_new("Visits", table, policy, terms, &offer, &error), error);
    must(sealock_owner_publish(owner, offer, NULL, &published, &error), error);
    must(sealock_published_asset(published, &asset, &error), error);

    sealock_consumer *consumer;
    sealock_order *order;
    sealock_literals *paid;
    sealock_filter *filter;
    sealock_query *query;
    sealock_ticket *ticket;
    sealock_request *request;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_answer *answer;
    double mean;
    int32_t present;
    must(sealock_exchange_consumer(exchange, account, &consumer, &error), error);
    must(sealock_consumer_buy(consumer, asset, 1, &error), error);
    must(sealock_consumer_order(consumer, asset, &order, &error), error);
    must(sealock_literals_new(&paid, &error), error);
    must(sealock_literals_text(paid, "paid", &error), error);
    must(sealock_literals_hide(paid, &error), error);
    must(sealock_filter_compare("plan", SEALOCK_OP_EQ, paid, &filter, &error), error);
    must(sealock_query_new(&query, &error), error);
    must(sealock_query_mean(query, "visits", &error), error);
    must(sealock_query_filter(query, filter, &error), error);
    must(sealock_order_request(order, query, NULL, &ticket, &error), error);
    must(sealock_ticket_request(ticket, &request, &error), error);
    must(sealock_node_run(node, request, NULL, &result, &receipt, &error), error);
    must(sealock_ticket_open(ticket, result, receipt, &answer, &error), error);
    must(sealock_answer_double(answer, "mean(visits)", 0, &mean, &present, &error), error);
    printf("mean of the visits: %g\n", mean);
    return present ? 0 : 1;
}
