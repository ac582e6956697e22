#include "firmware/model_image.h"

#include <cstring>

#include "testing/test.h"
#include "testing/test_image.h"

namespace seehear {
namespace {

TEST(WhatIsNoModelIsRefused) {
  alignas(4) char image[200] = {};
  ModelImage model;
  CHECK_ERROR(model.Open(nullptr, 100), "expected an address that 4 divides");
  CHECK_ERROR(model.Open(image + 1, 100), "expected an address that 4 divides");
  CHECK_ERROR(model.Open(image, 0), "not a flat model");
  CHECK_ERROR(model.Open(image, sizeof image), "not a flat model");
  std::memcpy(image, "SEEHEAR", 8);
  CHECK_ERROR(model.Open(image, sizeof image), "format 1 expected, got 0");
  image[8] = 1;
  CHECK_ERROR(model.Open(image, sizeof image), "0 bytes expected, got 200");
  image[12] = static_cast<char>(sizeof image);
  CHECK_ERROR(model.Open(image, sizeof image), "the checksum does not fit");
}

TEST(AnImageWithoutLayersIsAConfigurationAndNoModel) {
  const std::vector<uint32_t> bare = TestImage(true, false).Seal(), whole = TestImage().Seal();
  ModelImage model;
  SchedulerConfig config, same;
  Vector<Int8Graph> graphs;
  CHECK_OK(model.Open(bare.data(), 4 * bare.size()));
  CHECK_OK(model.Read(&config, nullptr));
  CHECK_ERROR(model.Read(&same, &graphs), "graph audio_1");
  CHECK(config.graphs.size() == 6 && config.has_vision);
  CHECK(config.graphs[0].inputs[0].dtype == DType::kFloat32);  // 5 bands: float32
  CHECK(config.graphs[0].outputs[1].dtype == DType::kFloat32 &&
        config.graphs[2].inputs[0].dtype == DType::kInt8);
  HopScheduler core;
  CHECK_OK(core.Prepare(config));
  CHECK_OK(model.Open(whole.data(), 4 * whole.size()));
  CHECK_OK(model.Read(&same, &graphs));
  CHECK_ERROR(model.Read(&same, nullptr), "graph audio_1: no layers expected, got 2");
}

// Whole images, cut, changed and hostile ones: tests/firmware/test_flat_model.py.

}  // namespace
}  // namespace seehear
