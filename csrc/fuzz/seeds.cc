// Writes the inputs that the corpora begin with into the folder named: models as the export writes them, each
// with and without eyes, and those that once did harm.
#include <climits>
#include <filesystem>
#include <fstream>
#include <string>

#include "testing/test_image.h"

using seehear::TestImage;

namespace {

std::filesystem::path folder;

void Write(const std::string& name, const std::vector<uint32_t>& body) {
  std::ofstream file(folder / name, std::ios::binary);
  const uint32_t front = 32u << 8;  // all the memory there is, 32 KB claimed
  file.write(reinterpret_cast<const char*>(&front), sizeof front);
  file.write(reinterpret_cast<const char*>(body.data()), static_cast<std::streamsize>(4 * body.size()));
}

}  // namespace

int main(int, char** argv) {
  folder = std::filesystem::path(argv[1]) / "model_image";
  std::filesystem::create_directories(folder);
  Write("sound", TestImage(false).words());
  Write("sound_and_face", TestImage(true).words());
  Write("without_layers", TestImage(true, false).words());
  constexpr size_t kEdges = 16 + 6;  // behind the name, the frame, the form and the floor
  for (const auto& [name, count] : {std::pair{"edges_int_min", INT_MIN},
                                    std::pair{"edges_wrap_32_bits", 0x40000000 + TestImage::kBands + 1}}) {
    TestImage image(false);
    image.words()[kEdges] = static_cast<uint32_t>(count);
    Write(name, image.words());
  }
  // The last lists: 24 means and deviations; before them 4 ints, 2 floats, 2 ints.
  TestImage image(true);
  const size_t rate = image.words().size() - 48 - 8;
  image.words()[rate] = INT_MAX;
  image.words()[rate + 1] = INT_MAX;
  Write("visual_rate_times_masks", image.words());
  return 0;
}
