#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "hits.h"
#include "query.h"
#include "where.h"

enum { VECTOR = CLI_LONG, ROW, ID, METRIC, MIN_SCORE, MAX_DISTANCE, WHERE, PARAM, FIELDS, JSON };

static const cli_option OPTIONS[] = {
    {VECTOR, "vector", "FILE",
     "the query, or several: .npy, .npz, or text: numbers or JSON arrays of them;\n"
     "- reads text from standard input"},
    {ROW, "row", "N", "more like this row, which is itself left out"},
    {ID, "id", "ID", "more like the row with this id"},
    {'k', NULL, "N", "most hits for a query (default: 10)"},
    {METRIC, "metric", "METRIC", "cosine (default), dot or euclidean"},
    {MIN_SCORE, "min-score", "X", "cosine and dot: only rows that score at least X"},
    {MAX_DISTANCE, "max-distance", "X", "euclidean: only rows at most X away"},
    {WHERE, "where", "FILTER", CLI_WHERE_HELP},
    {PARAM, "param", "VALUE", CLI_PARAM_HELP},
    {FIELDS, "fields", "A,B,...", CLI_FIELDS_HELP},
    {JSON, "json", NULL, "print the hits as JSON"},
    {0},
};

typedef struct search_settings {
    const char *vector, *id;
    bool has_row;
    uint64_t row;
    npv_search_options search;
    cli_where where;
    cli_shown shown;
} search_settings;

static npv_metric parse_metric(const char *name) {
    if (strcmp(name, "cosine") == 0)
        return NPV_COSINE;
    if (strcmp(name, "dot") == 0)
        return NPV_DOT;
    if (strcmp(name, "euclidean") == 0)
        return NPV_EUCLIDEAN;
    cli_fail_usage("--metric: expected cosine, dot or euclidean, found '%s'", name);
}

static void set(search_settings *settings, int key) {
    switch (key) {
    case VECTOR:
        settings->vector = optarg;
        break;
    case ROW:
        settings->has_row = true;
        settings->row = cli_parse_natural("--row", optarg, 0);
        break;
    case ID:
        settings->id = optarg;
        break;
    case 'k':
        settings->search.k = (size_t)cli_parse_natural("-k", optarg, 1);
        break;
    case METRIC:
        settings->search.metric = parse_metric(optarg);
        break;
    case MIN_SCORE:
        settings->search.min_score = cli_parse_real("--min-score", optarg);
        break;
    case MAX_DISTANCE:
        settings->search.max_distance = cli_parse_real("--max-distance", optarg);
        break;
    case WHERE:
        cli_set_where(&settings->where, optarg);
        break;
    case PARAM:
        cli_add_parameter(&settings->where, optarg);
        break;
    case FIELDS:
        cli_split_fields(&settings->shown, optarg);
        break;
    default:
        settings->shown.json = true;
    }
}

static search_settings parse(int argc, char **argv) {
    search_settings settings = {.search = NPV_SEARCH_OPTIONS_INIT};
    for (int key; (key = cli_next_option(&cli_search, argc, argv)) != -1;)
        set(&settings, key);
    const bool euclidean = settings.search.metric == NPV_EUCLIDEAN;
    if (argc - optind != 1)
        cli_fail_usage("expected the name of one store, found %d", argc - optind);
    const int queries = (settings.vector != NULL) + settings.has_row + (settings.id != NULL);
    if (queries != 1)
        cli_fail_usage("expected one of --vector FILE, --row N and --id ID, found %s", queries == 0   ? "none"
                                                                                       : queries == 2 ? "two"
                                                                                                      : "all");
    if (euclidean && isfinite(settings.search.min_score))
        cli_fail_usage("--min-score goes with cosine and dot; for euclidean use --max-distance");
    if (!euclidean && isfinite(settings.search.max_distance))
        cli_fail_usage("--max-distance goes with --metric euclidean; for cosine and dot use --min-score");
    cli_make_filter(&settings.where);
    settings.search.filter = settings.where.filter;
    return settings;
}

static npv_hits search(npv_store *store, const char *path, const float *queries, size_t count,
                       const npv_search_options *options) {
    npv_hits hits;
    npv_error error;
    if (npv_search(store, queries, count, options, &hits, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    return hits;
}

/* One hit more is asked for, because the row is likely to be the first of them. */
static npv_hits search_like_row(npv_store *store, const char *path, const search_settings *settings) {
    const float *vector;
    npv_error error;
    uint64_t row = settings->row;
    if (settings->id != NULL && npv_find(store, settings->id, &row, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    if (npv_get_vector(store, row, &vector, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    npv_search_options options = settings->search;
    options.k += options.k < SIZE_MAX;
    npv_hits hits = search(store, path, vector, 1, &options);
    size_t kept = 0;
    for (size_t i = 0; i < hits.starts[1]; i++)
        if (hits.hit[i].row != row && kept < settings->search.k)
            hits.hit[kept++] = hits.hit[i];
    hits.starts[1] = kept;
    return hits;
}

static npv_hits search_queries(npv_store *store, const char *path, const search_settings *settings) {
    cli_vector queries = {0};
    const size_t count = cli_read_queries(settings->vector, cli_get_info(store).dimensions, &queries);
    const npv_hits hits = search(store, path, queries.values, count, &settings->search);
    free(queries.values);
    return hits;
}

static int run(int argc, char **argv) {
    search_settings settings = parse(argc, argv);
    const char *path = argv[optind];
    npv_store *store = cli_open_store(path);
    cli_check_filter(&settings.where, store);
    cli_show_store(&settings.shown, store, path);
    npv_hits hits =
        settings.vector == NULL ? search_like_row(store, path, &settings) : search_queries(store, path, &settings);
    cli_print_hits(&hits, &settings.shown);
    const size_t found = hits.starts[hits.query_count];
    if (found == 0)
        cli_say_nothing_found(&settings.where, store);
    npv_hits_free(&hits);
    npv_close(store);
    cli_free_where(&settings.where);
    free(settings.shown.fields);
    return found > 0 ? CLI_DONE : CLI_NOTHING_FOUND;
}

const cli_command cli_search = {
    "search",
    "find the rows nearest to a query",
    "STORE.npz --vector FILE [options]\n"
    "STORE.npz --row N [options]\n"
    "STORE.npz --id ID [options]",
    "Finds the rows nearest to a query, best first. Every row is compared, or every row that passes the\n"
    "filter: the answer is exact.",
    OPTIONS,
    run,
};
