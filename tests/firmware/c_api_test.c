/* The C interface from C: life cycle, errors, memory, the invoke pointer. Linked with model.c and the core built without a
 * heap; malloc is replaced, so that any use of it would be seen. Prints one line per failure, returns their number. */
#include "c_api.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model.h"

static int failures, allocations;

#define CHECK(condition)                                        \
  do {                                                          \
    if (!(condition)) {                                         \
      printf("line %d: not true: %s\n", __LINE__, #condition);  \
      ++failures;                                               \
    }                                                           \
  } while (0)

void* __libc_malloc(size_t size);
void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}

enum { HOPS = 60, MOST_HOP = 4096 };

static uint64_t memory[(SEEHEAR_MODEL_MEMORY + 7) / 8];
static float in[HOPS][MOST_HOP], first[HOPS][MOST_HOP], again[HOPS][MOST_HOP];

static void fill(int hop) {
  uint32_t state = 1;
  for (int n = 0; n < HOPS; ++n) {
    for (int i = 0; i < hop; ++i) {
      state = state * 1664525u + 1013904223u;
      in[n][i] = (float)((int)(state >> 19) - 4096) / 32768.0f; /* 16-bit samples, exactly */
    }
  }
}

static void refuses(const void* model, size_t size, void* at, size_t bytes, const char* part) {
  seehear_error error;
  CHECK(seehear_init(model, size, at, bytes, &error) == NULL);
  if (strstr(error.text, part) == NULL) {
    printf("expected '%s', got '%s'\n", part, error.text);
    ++failures;
  }
}

static void errors_are_sentences(void) {
  refuses(NULL, 0, memory, sizeof memory, "model: expected an address that 4 divides");
  refuses((const char*)seehear_model + 1, 100, memory, sizeof memory, "model: expected an address that 4 divides");
  refuses(seehear_model, sizeof seehear_model - 4, memory, sizeof memory, "bytes expected");
  refuses(seehear_model, sizeof seehear_model, NULL, sizeof memory, "memory: expected an address that 8 divides");
  refuses(seehear_model, sizeof seehear_model, (char*)memory + 4, sizeof memory - 4, "memory: expected an address");
  CHECK(seehear_init(seehear_model, sizeof seehear_model, memory, 100, NULL) == NULL);
  CHECK(seehear_needed_memory(seehear_model, 100) == 0);
}

/* Every smaller memory is refused, and nothing is written beyond it. */
static void too_little_memory_is_refused(void) {
  for (size_t size = 0; size < sizeof memory - 4096; size += 1024) {
    memset(memory, 0xa5, sizeof memory);
    refuses(seehear_model, sizeof seehear_model, memory, size, "memory: this model needs");
    for (size_t i = size; i < sizeof memory; ++i) CHECK(((unsigned char*)memory)[i] == 0xa5);
  }
}

static void samples_of_both_kinds_agree(seehear_t* s, int hop) {
  int16_t block[MOST_HOP];
  seehear_reset(s);
  for (int n = 0; n < HOPS; ++n) {
    for (int i = 0; i < hop; ++i) block[i] = (int16_t)lrintf(in[n][i] * 32768.0f);
    seehear_process_int16(s, block, block);
    for (int i = 0; i < hop; ++i) CHECK(fabsf((float)block[i] / 32768.0f - first[n][i]) < 2e-5f);
  }
}

struct choice {
  seehear_t* s;
  int failing, runs;
};

static int chosen(void* context, int graph) {
  struct choice* choice = context;
  ++choice->runs;
  return graph == choice->failing ? 1 : seehear_run_int8(choice->s, graph);
}

static void an_invoke_of_ones_own_may_share_the_work(seehear_t* s, int hop) {
  struct choice choice = {s, -1, 0};
  seehear_reset(s);
  seehear_set_invoke(s, chosen, &choice);
  for (int n = 0; n < HOPS; ++n) {
    seehear_process(s, in[n], again[n]);
    CHECK(memcmp(again[n], first[n], (size_t)hop * sizeof(float)) == 0);
  }
  CHECK(choice.runs >= 2 * HOPS);
  choice.failing = 0;
  seehear_process(s, in[0], again[0]);
  CHECK(seehear_counter(s, "audio_failures") == 1 && seehear_mask(s)[0] == 1.0f);
  seehear_set_invoke(s, NULL, NULL);
  seehear_process(s, in[0], again[0]);
  CHECK(seehear_counter(s, "audio_failures") == 1);
}

static void graphs_have_names_and_tensors(seehear_t* s) {
  int size = 0;
  CHECK(seehear_graph_count(s) >= 2 && strcmp(seehear_graph_name(s, 0), "audio_1") == 0);
  CHECK(seehear_graph_name(s, -1) == NULL && seehear_graph_name(s, 1000) == NULL);
  CHECK(seehear_tensor(s, 0, "x", &size) != NULL && size == seehear_bands(s));
  CHECK(seehear_tensor(s, 0, "nothing", &size) == NULL && seehear_tensor(s, 1000, "x", NULL) == NULL);
  CHECK(seehear_run_int8(s, 1000) != 0 && seehear_run_int8(s, -1) != 0);
}

static void settings_have_ranges(seehear_t* s) {
  CHECK(seehear_set_strength(s, 0.5f) && !seehear_set_strength(s, 1.5f) && seehear_set_strength(s, 1.0f));
  CHECK(seehear_set_floor_db(s, -20.0f) && !seehear_set_floor_db(s, 1.0f));
  CHECK(seehear_set_visual_delay_ms(s, 80.0f) && !seehear_set_visual_delay_ms(s, -1.0f));
}

static void images_are_taken_and_counted(seehear_t* s) {
  float face[2 * SEEHEAR_LANDMARKS];
  seehear_reset(s);
  for (int i = 0; i < 2 * SEEHEAR_LANDMARKS; ++i) face[i] = (float)(i * 37 % 101);
  CHECK(strcmp(seehear_face_state(s), "none") == 0 && seehear_agreement(s) == 0.0f);
  if (!seehear_has_vision(s)) return;
  CHECK(seehear_see(s, face, 0.0) && seehear_see(s, NULL, 0.04) && !seehear_see(s, face, NAN));
  CHECK(seehear_counter(s, "images_queued") == 2 && seehear_counter(s, "images_refused") == 1);
  int taken = 0;
  while (taken < 1000 && seehear_see(s, NULL, 0.08 + taken * 0.04)) ++taken;
  CHECK(taken >= 4 && taken < 64);
}

enum { SECOND = 48000, LARGEST = 32 << 10 };
static float sound[SECOND], whole[SECOND], cut[SECOND];
static int16_t samples[SECOND];
static uint64_t stream_memory[LARGEST / 8];

static seehear_stream_t* stream_of(seehear_t* s, int rate, size_t less, const char* part) {
  seehear_error error;
  const size_t needed = seehear_stream_needed_memory(s, rate);
  CHECK(needed <= sizeof stream_memory);
  seehear_stream_t* stream = seehear_stream_init(s, rate, stream_memory, needed - less, &error);
  CHECK(strstr(error.text, part) != NULL && (stream == NULL) == (error.text[0] != 0));
  return stream;
}

/* A stream at the model's rate is its hops, later by a hop less one sample; how the sound is cut changes no bit. */
static void streams_take_any_block(seehear_t* s, int hop) {
  for (int i = 0; i < SECOND; ++i) sound[i] = in[i / hop % HOPS][i % hop];
  for (int rate = seehear_rate(s); rate <= 48000; rate += 48000 - seehear_rate(s)) {
    seehear_stream_t* stream = stream_of(s, rate, 0, "");
    if (stream == NULL) return;
    const int late = seehear_stream_latency(stream);
    seehear_stream_process(stream, sound, SECOND, whole);
    if (rate == seehear_rate(s)) {
      CHECK(late == seehear_latency(s) + hop - 1);
      for (int n = 0; n < HOPS; ++n) CHECK(memcmp(whole + n * hop + hop - 1, first[n], (size_t)hop * sizeof(float)) == 0);
    } else {
      CHECK(late > 3 * (2 * hop - 1) && late < 3 * (2 * hop - 1) + 4 * 48);
    }
    seehear_stream_reset(stream);
    for (int at = 0, size = 1; at < SECOND; at += size, size = size * 5 % 997 + 1) {
      if (size > SECOND - at) size = SECOND - at;
      seehear_stream_process(stream, sound + at, size, cut + at);
    }
    CHECK(memcmp(cut, whole, sizeof whole) == 0);
    for (int i = 0; i < SECOND; ++i) samples[i] = (int16_t)lrintf(sound[i] * 32768.0f);
    seehear_stream_reset(stream);
    seehear_stream_process_int16(stream, samples, SECOND, samples);
    for (int i = 0; i < SECOND; ++i) CHECK(fabsf((float)samples[i] / 32768.0f - whole[i]) < 2e-5f);
    seehear_stream_reset(stream);
    seehear_stream_process(stream, sound, SECOND - late, cut);
    seehear_stream_flush(stream, cut + SECOND - late);
    CHECK(memcmp(cut, whole, (size_t)(SECOND - late) * sizeof(float)) == 0);
  }
  CHECK(stream_of(s, 48000, 8, "memory: a stream at this rate needs") == NULL);
  CHECK(seehear_stream_needed_memory(s, 7999) == 0 && seehear_stream_needed_memory(s, 48001) == 0);
  seehear_error error;
  CHECK(seehear_stream_init(s, 7999, stream_memory, sizeof stream_memory, &error) == NULL);
  CHECK(strstr(error.text, "8000 to 48000 Hz, got 7999") != NULL);
  CHECK(seehear_stream_init(s, 16000, NULL, 0, NULL) == NULL);
}

int main(void) {
  errors_are_sentences();
  too_little_memory_is_refused();
  seehear_error error;
  CHECK(seehear_needed_memory(seehear_model, sizeof seehear_model) == SEEHEAR_MODEL_MEMORY);
  const int before = allocations;
  seehear_t* s = seehear_init(seehear_model, sizeof seehear_model, memory, sizeof memory, &error);
  CHECK(s != NULL && error.text[0] == 0);
  if (s == NULL) return 1;
  CHECK((void*)s == (void*)memory && seehear_used_memory(s) <= sizeof memory);
  const int hop = seehear_hop(s);
  CHECK(hop > 0 && hop <= MOST_HOP && seehear_rate(s) >= 8000 && seehear_latency(s) == hop);
  fill(hop);
  for (int n = 0; n < HOPS; ++n) seehear_process(s, in[n], first[n]);
  CHECK(seehear_counter(s, "hops") == HOPS && seehear_counter(s, "nothing") == 0);
  CHECK(fabs(seehear_now(s) - (double)HOPS * hop / seehear_rate(s)) < 1e-9);
  CHECK(strcmp(seehear_counter_name(0), "hops") == 0 && seehear_counter_name(seehear_counter_count()) == NULL);
  seehear_reset(s);
  CHECK(seehear_counter(s, "hops") == 0);
  for (int n = 0; n < HOPS; ++n) {
    seehear_process(s, in[n], again[n]);
    CHECK(memcmp(again[n], first[n], (size_t)hop * sizeof(float)) == 0);
  }
  samples_of_both_kinds_agree(s, hop);
  streams_take_any_block(s, hop);
  an_invoke_of_ones_own_may_share_the_work(s, hop);
  graphs_have_names_and_tensors(s);
  settings_have_ranges(s);
  images_are_taken_and_counted(s);
  seehear_flush(s, again[0]);
  CHECK(allocations == before);
  return failures;
}
