#include "firmware/model_image.h"

#include <cstring>

#include "testing/test.h"

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

// Whole images, cut, changed and hostile ones: tests/firmware/test_flat_model.py.

}  // namespace
}  // namespace seehear
