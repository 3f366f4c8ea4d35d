#include <npvec.h>
#include <stdio.h>

int main(void) {
    const float vectors[] = {1, 0, 0, 0, 1, 0, 3, 4, 0};
    const npv_store_options options = {.size = sizeof options, .dimensions = 3};
    const npv_batch batch = {.size = sizeof batch, .count = 3, .vectors = vectors};
    npv_store *store = NULL;
    npv_hits hits;
    if (npv_create(&options, &store, NULL) != NPV_OK || npv_add(store, &batch, NULL, NULL) != NPV_OK ||
        npv_search(store, vectors, 1, NULL, &hits, NULL) != NPV_OK)
        return 1;
    for (size_t i = 0; i < hits.starts[1]; i++)
        printf("%d %.3f\n", (int)hits.hit[i].row, hits.hit[i].score);
    npv_hits_free(&hits);
    npv_close(store);
    return 0;
}
