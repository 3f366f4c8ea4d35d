#include "hits.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json_text.h"
#include "table.h"

void cli_split_fields(cli_shown *shown, char *words) {
    for (char *word = words; word != NULL;) {
        char *comma = strchr(word, ',');
        if (comma != NULL)
            *comma = '\0';
        if (*word == '\0')
            cli_fail_usage("--fields: expected names with one comma between them, found an empty name");
        shown->fields = cli_resize(shown->fields, shown->field_count + 1, sizeof *shown->fields);
        shown->fields[shown->field_count++] = word;
        word = comma == NULL ? NULL : comma + 1;
    }
}

/* ---------------------------------------------------------------------------------------------------------- JSON -- */

static void print_fields(const char *document, const cli_shown *shown) {
    const char *between = "";
    cli_span value;
    printf("{");
    for (size_t i = 0; i < shown->field_count; i++) {
        if (!cli_find_member(document, shown->fields[i], &value))
            continue;
        fputs(between, stdout);
        cli_print_json_string(shown->fields[i]);
        printf(": ");
        cli_print_json(stdout, value);
        between = ", ";
    }
    printf("}");
}

static void print_json_hits(npv_store *store, const char *path, const npv_hits *hits, size_t query,
                            const cli_shown *shown) {
    printf("{\"hits\": [");
    for (size_t i = hits->starts[query]; i < hits->starts[query + 1]; i++) {
        char *document = cli_get_document(store, path, hits->hit[i].row);
        printf("%s{\"row\": %" PRIu64 ", \"score\": ", i == hits->starts[query] ? "" : ", ", hits->hit[i].row);
        cli_print_json_double(hits->hit[i].score);
        printf(", \"document\": ");
        if (document == NULL)
            printf("null");
        else if (shown->field_count > 0)
            print_fields(document, shown);
        else
            cli_print_json(stdout, (cli_span){document, strlen(document)});
        printf("}");
        npv_free(document);
    }
    printf("]}");
}

static void print_json(npv_store *store, const char *path, const npv_hits *hits, const cli_shown *shown) {
    const bool several = hits->query_count > 1;
    if (several)
        printf("{\"results\": [");
    for (size_t query = 0; query < hits->query_count; query++) {
        fputs(query > 0 ? ", " : "", stdout);
        print_json_hits(store, path, hits, query, shown);
    }
    printf(several ? "]}\n" : "\n");
}

/* --------------------------------------------------------------------------------------------------------- Table -- */

static void add_fields(cli_table *table, const char *document, const cli_shown *shown) {
    for (size_t i = 0; i < shown->field_count; i++) {
        cli_buffer text = {0};
        cli_span value;
        cli_append(&text, "", 0);
        if (document != NULL && cli_find_member(document, shown->fields[i], &value))
            cli_append_value(&text, value);
        cli_add_cell(table, text.text, text.size);
        free(text.text);
    }
}

static void print_table(npv_store *store, const char *path, const npv_hits *hits, size_t query, const cli_shown *shown,
                        bool has_documents) {
    cli_table table = {0};
    cli_add_column(&table, "rank", true);
    cli_add_column(&table, "row", true);
    cli_add_column(&table, "score", true);
    for (size_t i = 0; i < shown->field_count; i++)
        cli_add_column(&table, shown->fields[i], false);
    if (shown->field_count == 0 && has_documents)
        cli_add_column(&table, "document", false);
    for (size_t i = hits->starts[query]; i < hits->starts[query + 1]; i++) {
        const npv_hit hit = hits->hit[i];
        char *document = cli_get_document(store, path, hit.row);
        cli_add_cell_format(&table, "%zu", i - hits->starts[query] + 1);
        cli_add_cell_format(&table, "%" PRIu64, hit.row);
        cli_add_cell_format(&table, fabs(hit.score) < 1e6 ? "%.6f" : "%.6g", hit.score);
        if (shown->field_count > 0)
            add_fields(&table, document, shown);
        else if (has_documents)
            cli_add_cell(&table, document == NULL ? "" : document, document == NULL ? 0 : strlen(document));
        npv_free(document);
    }
    cli_print_table(&table);
}

void cli_print_hits(npv_store *store, const char *path, const npv_hits *hits, const cli_shown *shown) {
    if (shown->json) {
        print_json(store, path, hits, shown);
        return;
    }
    const bool has_documents = cli_get_info(store).metadata != NPV_METADATA_NONE;
    for (size_t query = 0; query < hits->query_count; query++) {
        if (hits->query_count > 1)
            printf("%squery %zu%s\n", query > 0 ? "\n" : "", query,
                   hits->starts[query] == hits->starts[query + 1] ? ": nothing found" : "");
        print_table(store, path, hits, query, shown, has_documents);
    }
}
