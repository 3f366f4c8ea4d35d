#include "hits.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_text.h"
#include "report.h"

/* ---------------------------------------------------------------------------------------------------------- JSON -- */

static void print_json_hits(const npv_hits *hits, size_t query, const cli_shown *shown) {
    printf("{\"hits\": [");
    for (size_t i = hits->starts[query]; i < hits->starts[query + 1]; i++) {
        printf("%s{\"row\": %" PRIu64 ", \"score\": ", i == hits->starts[query] ? "" : ", ", hits->hit[i].row);
        cli_print_json_double(hits->hit[i].score);
        printf(", ");
        cli_print_content_members(shown, hits->hit[i].row);
        printf("}");
    }
    printf("]}");
}

static void print_json(const npv_hits *hits, const cli_shown *shown) {
    const bool several = hits->query_count > 1;
    if (several)
        printf("{\"results\": [");
    for (size_t query = 0; query < hits->query_count; query++) {
        fputs(query > 0 ? ", " : "", stdout);
        print_json_hits(hits, query, shown);
    }
    printf(several ? "]}\n" : "\n");
}

/* --------------------------------------------------------------------------------------------------------- Table -- */

static void print_table(const npv_hits *hits, size_t query, const cli_shown *shown) {
    cli_table table = {0};
    cli_add_column(&table, "rank", true);
    cli_add_row_columns(&table, shown);
    cli_add_column(&table, "score", true);
    cli_add_content_columns(&table, shown);
    for (size_t i = hits->starts[query]; i < hits->starts[query + 1]; i++) {
        const npv_hit hit = hits->hit[i];
        cli_add_cell_format(&table, "%zu", i - hits->starts[query] + 1);
        cli_add_row_cells(&table, shown, hit.row);
        cli_add_cell_format(&table, fabs(hit.score) < 1e6 ? "%.6f" : "%.6g", hit.score);
        cli_add_content_cells(&table, shown, hit.row);
    }
    cli_print_table(&table);
}

static void print_tables(const npv_hits *hits, const cli_shown *shown) {
    for (size_t query = 0; query < hits->query_count; query++) {
        if (hits->query_count > 1)
            printf("%squery %zu%s\n", query > 0 ? "\n" : "", query,
                   hits->starts[query] == hits->starts[query + 1] ? ": nothing found" : "");
        print_table(hits, query, shown);
    }
}

void cli_print_hits(const npv_hits *hits, const cli_shown *shown) {
    const size_t count = hits->starts[hits->query_count];
    uint64_t *rows = cli_resize(NULL, count, sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i] = hits->hit[i].row;
    cli_check_fields(shown, rows, count);
    free(rows);
    if (shown->json)
        print_json(hits, shown);
    else
        print_tables(hits, shown);
}
