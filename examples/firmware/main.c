/* Firmware without an operating system: enhances the clip linked into it, first by sound alone, then with the talker's
 * landmarks, and reports what it cost. Everything seehear needs stands in the loop of enhance(). */
#include "c_api.h"
#include "clip.h"
#include "model.h"
#include "platform.h"

/* Settings of this example; a product would have its own microphone and speaker here. */
enum { MOST_HOP = 160, PICTURES_PER_SECOND = 25 };

static uint64_t memory[(SEEHEAR_MODEL_MEMORY + 7) / 8];
static float block[MOST_HOP];

static void report(const char* what, unsigned long long value) {
  char digits[24];
  int at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  platform_print(what);
  platform_print(" ");
  platform_print(digits + at);
  platform_print("\n");
}

/* Hands in every picture taken before the end of the next hop. */
static int look(seehear_t* s, int picture) {
  const double end = seehear_now(s) + (double)seehear_hop(s) / seehear_rate(s);
  while (picture < CLIP_PICTURES && (double)picture / PICTURES_PER_SECOND <= end) {
    seehear_see(s, clip_landmarks[picture], (double)picture / PICTURES_PER_SECOND);
    ++picture;
  }
  return picture;
}

static void enhance(seehear_t* s, int with_pictures) {
  unsigned long long sum = 0, most = 0;
  const int hop = seehear_hop(s);
  int picture = 0, hops = 0;
  seehear_reset(s);
  for (int at = 0; at + hop <= CLIP_SAMPLES; at += hop, ++hops) {
    if (with_pictures) picture = look(s, picture);
    for (int i = 0; i < hop; ++i) block[i] = (float)clip_samples[at + i] / 32768.0f;
    const unsigned long long before = platform_instructions();
    seehear_process(s, block, block);
    const unsigned long long spent = platform_instructions() - before;
    sum += spent;
    if (spent > most) most = spent;
    platform_write(block, (unsigned)hop * sizeof *block);
  }
  report(with_pictures ? "instructions_av" : "instructions_audio", sum / (unsigned)hops);
  report(with_pictures ? "instructions_av_most" : "instructions_audio_most", most);
  report("hops", seehear_counter(s, "hops"));
  report("gate_runs", seehear_counter(s, "gate_runs"));
}

int main(void) {
  seehear_error error;
  seehear_t* s = seehear_init(seehear_model, sizeof seehear_model, memory, sizeof memory, &error);
  if (s == 0 || seehear_hop(s) > MOST_HOP) {
    platform_print("error ");
    platform_print(s == 0 ? error.text : "this example has room for hops of 160 samples");
    platform_print("\n");
    return 1;
  }
  report("memory", sizeof memory);
  report("memory_used", seehear_used_memory(s));
  enhance(s, 0);
  if (seehear_has_vision(s)) enhance(s, 1);
  report("stack", platform_stack_used());
  platform_print("done\n");
  return 0;
}
