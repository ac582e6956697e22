#include "base/vector.h"

#include <string>
#include <vector>

#include "base/text.h"
#include "testing/test.h"

namespace seehear {
namespace {

TEST(AViewCopiesAsAViewAndAVectorAsACopy) {
  const float table[3] = {1, 2, 3};
  Vector<float> view = Vector<float>::View(table, 3), second;
  CHECK_OK(second.CopyFrom(view));
  CHECK(second.data() == table && second.size() == 3);
  Vector<float> own{4, 5};
  CHECK_OK(second.CopyFrom(own));
  own[0] = 0;
  CHECK(second.size() == 2 && second[0] == 4 && second[1] == 5);
}

TEST(StandardContainersBecomeVectors) {
  const std::vector<int> numbers = {1, 2, 3};
  Vector<int> vector = numbers;
  vector.push_back(4);
  int sum = 0;
  for (int number : vector) sum += number;
  CHECK(sum == 10 && vector[3] == 4);
  const std::vector<std::string> words = {"gx", "gh"};
  const Vector<Text> texts = words;
  CHECK(texts[1] == "gh" && !(texts[0] == "g"));
}

TEST(AllocatingAgainForgetsWhatWasThere) {
  Vector<Vector<int>> nested;
  CHECK_OK(nested.Allocate(2));
  nested[1] = {7};
  CHECK_OK(nested.Allocate(3));
  CHECK(nested.size() == 3 && nested[1].empty());
  CHECK_OK(nested.Allocate(0));
  CHECK(nested.empty() && nested.data() == nullptr);
}

TEST(NamesOutliveWhatTheyWereMadeOf) {
  Text name;
  {
    const std::string made = "audio_1";
    name = made;
  }
  const Text view = Text::View("lips"), empty;
  CHECK(name == "audio_1" && view == "lips" && empty.empty() && !name.empty());
}

}  // namespace
}  // namespace seehear
