// What both kernels of 256 bits share: eight rows, eight sums from them, eight results from the sums.
#pragma once

#include "nets/net_kernel_table.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define SEEHEAR_AVX2 __attribute__((target("avx2")))
#define SEEHEAR_AVX2_INLINE inline __attribute__((always_inline, target("avx2")))

namespace seehear {

constexpr int kAvx2Rows = 8;

// sums[r]: all lanes of rows[r] added up, in the order of the rows.
SEEHEAR_AVX2_INLINE __m256i Avx2Sums(const __m256i rows[kAvx2Rows]) noexcept {
  const __m256i a = _mm256_hadd_epi32(rows[0], rows[1]), b = _mm256_hadd_epi32(rows[2], rows[3]);
  const __m256i c = _mm256_hadd_epi32(rows[4], rows[5]), d = _mm256_hadd_epi32(rows[6], rows[7]);
  const __m256i low = _mm256_hadd_epi32(a, b), high = _mm256_hadd_epi32(c, d);
  return _mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20),
                          _mm256_permute2x128_si256(low, high, 0x31));
}

// The even lanes of sum and bias, scaled: as 64-bit integers within -128..127. AVX2 shifts no sign into 64
// bits, so numbers are made positive for the shift.
SEEHEAR_AVX2_INLINE __m256i Avx2Scale(__m256i sum, __m256i bias, __m256i multiplier, __m256i shift,
                                      __m256i zero) noexcept {
  const __m256i one = _mm256_set1_epi64x(1), top = _mm256_set1_epi64x(INT64_MIN);
  const __m256i count = _mm256_and_si256(shift, _mm256_set1_epi64x(0xff));
  const __m256i half = _mm256_sllv_epi64(one, _mm256_sub_epi64(count, one));
  __m256i y = _mm256_add_epi64(_mm256_mul_epi32(sum, multiplier), _mm256_mul_epi32(bias, multiplier));
  y = _mm256_srlv_epi64(_mm256_xor_si256(_mm256_add_epi64(y, half), top), count);
  y = _mm256_add_epi64(_mm256_sub_epi64(y, _mm256_srlv_epi64(top, count)), zero);
  const __m256i least = _mm256_set1_epi64x(-128), most = _mm256_set1_epi64x(127);
  y = _mm256_blendv_epi8(y, least, _mm256_cmpgt_epi64(least, y));
  return _mm256_blendv_epi8(y, most, _mm256_cmpgt_epi64(y, most));
}

SEEHEAR_AVX2_INLINE __m256i Avx2Load(const int32_t* p) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

// Results o to o + 7 of a layer that has them.
SEEHEAR_AVX2_INLINE void Avx2Store(const Int8Layer& layer, int o, __m256i sum, int8_t* y) noexcept {
  const bool one = layer.scales == 1;
  const __m256i bias = Avx2Load(layer.bias + o), zero = _mm256_set1_epi64x(layer.zero_point);
  const __m256i multiplier = one ? _mm256_set1_epi32(layer.multiplier[0]) : Avx2Load(layer.multiplier + o);
  const __m256i shift = one ? _mm256_set1_epi32(layer.shift[0]) : Avx2Load(layer.shift + o);
  const __m256i even = Avx2Scale(sum, bias, multiplier, shift, zero);
  const __m256i odd = Avx2Scale(_mm256_srli_epi64(sum, 32), _mm256_srli_epi64(bias, 32),
                                _mm256_srli_epi64(multiplier, 32), _mm256_srli_epi64(shift, 32), zero);
  const __m256i all = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
  const __m128i narrow = _mm_packs_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(y + o), _mm_packs_epi16(narrow, narrow));
}

// The last results, fewer than eight: as eight of a layer made up here.
SEEHEAR_AVX2_INLINE void Avx2StoreSome(const Int8Layer& layer, int o, __m256i sum, int8_t* y) noexcept {
  int32_t bias[kAvx2Rows] = {}, multiplier[kAvx2Rows] = {}, shift[kAvx2Rows];
  int8_t results[kAvx2Rows];
  const int count = layer.outputs - o;
  for (int r = 0; r < kAvx2Rows; ++r) {
    const int s = layer.scales == 1 ? 0 : o + (r < count ? r : 0);
    bias[r] = layer.bias[o + (r < count ? r : 0)];
    multiplier[r] = layer.multiplier[s];
    shift[r] = layer.shift[s];
  }
  Int8Layer some = layer;
  some.bias = bias, some.multiplier = multiplier, some.shift = shift, some.scales = kAvx2Rows;
  Avx2Store(some, 0, sum, results);
  for (int r = 0; r < count; ++r) y[o + r] = results[r];
}

// The rows of the weights from o on; beyond the last row: the last once more.
SEEHEAR_AVX2_INLINE void Avx2RowsFrom(const Int8Layer& layer, int o, const int8_t* rows[kAvx2Rows]) noexcept {
  for (int r = 0; r < kAvx2Rows; ++r) {
    rows[r] = layer.weights + (o + r < layer.outputs ? o + r : layer.outputs - 1) * layer.inputs;
  }
}

// Results from o on; sums: of each row, in lanes, over the inputs before `done`.
SEEHEAR_AVX2_INLINE void Avx2Finish(const Int8Layer& layer, int o, const int8_t* const rows[kAvx2Rows],
                                    int done, const int8_t* x, const __m256i sums[kAvx2Rows],
                                    int8_t* y) noexcept {
  __m256i sum = Avx2Sums(sums);
  if (done < layer.inputs) {
    alignas(32) int32_t rest[kAvx2Rows] = {};
    for (int r = 0; r < kAvx2Rows; ++r) {
      for (int i = done; i < layer.inputs; ++i) rest[r] += rows[r][i] * x[i];
    }
    sum = _mm256_add_epi32(sum, _mm256_load_si256(reinterpret_cast<const __m256i*>(rest)));
  }
  if (o + kAvx2Rows <= layer.outputs) {
    Avx2Store(layer, o, sum, y);
  } else {
    Avx2StoreSome(layer, o, sum, y);
  }
}

void Avx2Quantize(const float* values, int count, float scale, int zero_point, int8_t* q) noexcept;
void Avx2Dequantize(const int8_t* q, int count, float scale, int zero_point, float* values) noexcept;
void Avx2Gru(const float* gx, const float* gh, const float* h, int units, float* next) noexcept;

}  // namespace seehear

#endif
