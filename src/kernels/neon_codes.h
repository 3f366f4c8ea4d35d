/* What code_template.h asks for and NEON does in the same way with and without dot-product instructions. */
#define CODES_STEP 16

typedef uint8x16_t codes_u8;
typedef int8x16_t query_s8;
typedef int32x4_t wide_sum;

TARGET static inline codes_u8 codes_load(const uint8_t *from, bool half) {
    (void)half;
    return vld1q_u8(from);
}

TARGET static inline query_s8 query_load(const int8_t *from, bool half) {
    (void)half;
    return vld1q_s8(from);
}

TARGET static inline codes_u8 codes_low_nibbles(codes_u8 codes) {
    return vandq_u8(codes, vdupq_n_u8(15));
}

TARGET static inline codes_u8 codes_high_nibbles(codes_u8 codes) {
    return vshrq_n_u8(codes, 4);
}

TARGET static inline wide_sum wide_zero(void) {
    return vdupq_n_s32(0);
}

TARGET static inline wide_sum wide_add(wide_sum a_i32x4, wide_sum b_i32x4) {
    return vaddq_s32(a_i32x4, b_i32x4);
}

TARGET static inline int32_t wide_reduce(wide_sum sum_i32x4) {
    return vaddvq_s32(sum_i32x4);
}

TARGET static inline void wide_reduce4(wide_sum a, wide_sum b, wide_sum c, wide_sum d, int32_t sums[4]) {
    vst1q_s32(sums, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
}
