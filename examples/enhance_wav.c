/* The C interface on a computer: enhances a WAV file, at any rate from 8 to 48 kHz, in blocks as a sound card would give.
 *
 *   seehear export default -o model.c
 *   cmake -S . -B build/c -DSEEHEAR_TESTS=OFF && cmake --build build/c && cmake --install build/c --prefix ~/seehear
 *   export PKG_CONFIG_PATH=~/seehear/lib/pkgconfig
 *   cc -I. examples/enhance_wav.c model.c $(pkg-config --cflags --libs seehear) -o enhance_wav
 *   ./enhance_wav noisy.wav clean.wav
 *
 * It reads 16-bit PCM on a little-endian computer, takes the first channel and writes mono, its delay removed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "c_api.h"
#include "model.h"

enum { BLOCK = 441 };

/* All the memory of the product, known when the program is built; a stream's depends on the rate. */
static uint64_t memory[(SEEHEAR_MODEL_MEMORY + 7) / 8];

typedef struct {
  uint16_t channels;
  uint32_t rate, bytes; /* of the sound that follows in the file */
} wav;

static void fail(const char* file, const char* what) {
  fprintf(stderr, "%s: %s\n", file, what);
  exit(1);
}

static uint32_t number(const unsigned char* at, int bytes) {
  uint32_t value = 0;
  while (bytes > 0) value = value << 8 | at[--bytes];
  return value;
}

/* Reads up to the first sample. */
static wav open_wav(FILE* in, const char* name) {
  unsigned char head[12], chunk[8], format[16];
  wav w = {0, 0, 0};
  if (fread(head, 1, 12, in) != 12 || memcmp(head, "RIFF", 4) != 0 || memcmp(head + 8, "WAVE", 4) != 0)
    fail(name, "expected a WAV file");
  while (fread(chunk, 1, 8, in) == 8) {
    uint32_t size = number(chunk + 4, 4);
    if (memcmp(chunk, "data", 4) == 0) {
      if (w.channels == 0) fail(name, "expected 16-bit PCM with its format before its sound");
      w.bytes = size;
      return w;
    }
    if (memcmp(chunk, "fmt ", 4) == 0 && size >= 16) {
      if (fread(format, 1, 16, in) != 16) break;
      if (number(format, 2) == 1 && number(format + 14, 2) == 16) w.channels = (uint16_t)number(format + 2, 2);
      w.rate = number(format + 4, 4);
      size -= 16;
    }
    if (fseek(in, (long)size + (long)(size & 1), SEEK_CUR) != 0) break;
  }
  fail(name, "expected a WAV with sound in it; it is cut off");
  return w;
}

static void put(FILE* out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) fputc((int)(value >> 8 * i & 255), out);
}

static void write_header(FILE* out, uint32_t rate, uint32_t samples) {
  fputs("RIFF", out), put(out, 36 + 2 * samples, 4), fputs("WAVEfmt ", out), put(out, 16, 4);
  put(out, 1, 2), put(out, 1, 2), put(out, rate, 4), put(out, 2 * rate, 4), put(out, 2, 2), put(out, 16, 2);
  fputs("data", out), put(out, 2 * samples, 4);
}

/* The first channel of up to BLOCK frames; how many came. */
static int read_block(FILE* in, wav* w, int16_t* block) {
  int count = 0;
  for (; count < BLOCK && w->bytes >= 2u * w->channels; ++count) {
    unsigned char frame[2];
    if (fread(frame, 1, 2, in) != 2) break;
    block[count] = (int16_t)number(frame, 2);
    if (w->channels > 1 && fseek(in, 2L * (w->channels - 1), SEEK_CUR) != 0) break;
    w->bytes -= 2u * w->channels;
  }
  return count;
}

/* Writes what comes after the first `*late` samples, which are the delay. */
static void write_block(FILE* out, const int16_t* block, int count, int* late) {
  const int skipped = count < *late ? count : *late;
  *late -= skipped;
  for (int i = skipped; i < count; ++i) put(out, (uint16_t)block[i], 2);
}

int main(int argc, char** argv) {
  if (argc != 3) fail("usage", "enhance_wav noisy.wav clean.wav");
  FILE* in = fopen(argv[1], "rb");
  if (in == NULL) fail(argv[1], "cannot be read");
  wav w = open_wav(in, argv[1]);

  seehear_error error;
  seehear_t* s = seehear_init(seehear_model, sizeof seehear_model, memory, sizeof memory, &error);
  if (s == NULL) fail("model.c", error.text);
  const size_t size = seehear_stream_needed_memory(s, (int)w.rate);
  void* stream_memory = malloc(size); /* aligned for every type; the library itself takes nothing */
  seehear_stream_t* stream = seehear_stream_init(s, (int)w.rate, stream_memory, size, &error);
  if (stream == NULL) fail(argv[1], error.text);

  FILE* out = fopen(argv[2], "wb");
  if (out == NULL) fail(argv[2], "cannot be written");
  int late = seehear_stream_latency(stream);
  const int latency = late;
  write_header(out, w.rate, w.bytes / (2u * w.channels));
  int16_t block[BLOCK];
  for (int count; (count = read_block(in, &w, block)) > 0;) {
    seehear_stream_process_int16(stream, block, count, block);
    write_block(out, block, count, &late);
  }
  int16_t* tail = malloc((size_t)latency * sizeof *tail);
  if (tail == NULL) fail(argv[2], "no memory");
  seehear_stream_flush_int16(stream, tail);
  write_block(out, tail, latency, &late);
  if (fclose(out) != 0) fail(argv[2], "cannot be written to its end");

  printf("%d Hz, %d samples late; %u bytes for the model, %u for its stream\n", (int)w.rate, latency,
         (unsigned)sizeof memory, (unsigned)size);
  free(tail);
  free(stream_memory);
  fclose(in);
  return 0;
}
