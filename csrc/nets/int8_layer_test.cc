#include "nets/int8_layer.h"

#include <cmath>
#include <vector>

#include "testing/test.h"

namespace seehear {
namespace {

// A layer with all that points into it.
struct Fixture {
  std::vector<int8_t> weights, x, y, table;
  std::vector<int32_t> bias, multiplier, shift;
  Int8Layer layer;

  Fixture(int inputs, int outputs, int scales)
      : weights(inputs * outputs), x(inputs), y(outputs), bias(outputs) {
    uint32_t state = static_cast<uint32_t>(inputs * 31 + outputs);
    const auto next = [&state](int range) {
      state = state * 1664525u + 1013904223u;
      return static_cast<int>((state >> 8) % static_cast<uint32_t>(range));
    };
    for (int8_t& w : weights) w = static_cast<int8_t>(next(256) - 128);
    for (int8_t& v : x) v = static_cast<int8_t>(next(256) - 128);
    for (int32_t& b : bias) b = next(20000) - 10000;
    for (int s = 0; s < scales; ++s) {
      multiplier.push_back((1 << 30) + next(1 << 30));
      shift.push_back(40 + next(3));
    }
    layer.inputs = inputs;
    layer.outputs = outputs;
    layer.weights = weights.data();
    layer.bias = bias.data();
    layer.multiplier = multiplier.data();
    layer.shift = shift.data();
    layer.scales = scales;
    layer.zero_point = -5;
  }

  int Expected(int o) const {
    double sum = bias[o];
    for (int i = 0; i < layer.inputs; ++i) sum += weights[o * layer.inputs + i] * x[i];
    const int s = layer.scales == 1 ? 0 : o;
    const double y_real = std::floor(sum * multiplier[s] / std::pow(2.0, shift[s]) + 0.5) - 5;
    return static_cast<int>(y_real < -128 ? -128 : y_real > 127 ? 127 : y_real);
  }
};

TEST(LayersOfAnySizeGiveTheRoundedSum) {
  for (int inputs : {1, 3, 4, 15, 16, 17, 24, 160, 384, 513, 1100}) {
    for (int outputs : {1, 2, 3, 4, 5, 192}) {
      for (int scales : {1, outputs}) {
        Fixture f(inputs, outputs, scales);
        f.layer.Run(f.x.data(), f.y.data());
        int wrong = 0;
        for (int o = 0; o < outputs; ++o) wrong += f.y[o] != f.Expected(o);
        CHECK_NEAR(wrong, 0, 0);
      }
    }
  }
}

TEST(TheLargestNumbersAllowedDoNotOverflow) {
  for (int sign : {-1, 1}) {
    std::vector<int8_t> weights(Int8Layer::kMaxInputs, -128), x(Int8Layer::kMaxInputs);
    for (int8_t& v : x) v = static_cast<int8_t>(sign > 0 ? -128 : 127);
    const int32_t bias = sign > 0 ? INT32_MAX : INT32_MIN, multiplier = 0x7fffffff;
    for (int32_t shift : {1, int{Int8Layer::kMaxShift}}) {
      Int8Layer layer;
      layer.inputs = Int8Layer::kMaxInputs;
      layer.outputs = 1;
      layer.weights = weights.data();
      layer.bias = &bias;
      layer.multiplier = &multiplier;
      layer.shift = &shift;
      int8_t y = 0;
      layer.Run(x.data(), &y);
      CHECK(shift > 1 ? (y >= -1 && y <= 1) : y == (sign > 0 ? 127 : -128));
    }
  }
}

TEST(ATableComesLast) {
  Fixture f(8, 6, 1);
  f.layer.Run(f.x.data(), f.y.data());
  const std::vector<int8_t> before = f.y;
  for (int i = 0; i < 256; ++i) f.table.push_back(static_cast<int8_t>(127 - i));
  f.layer.table = f.table.data();
  f.layer.Run(f.x.data(), f.y.data());
  for (int o = 0; o < 6; ++o) CHECK(f.y[o] == static_cast<int8_t>(-1 - before[o]));
}

}  // namespace
}  // namespace seehear
