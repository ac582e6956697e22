/* seehear for firmware: audio-visual speech enhancement behind a C interface.
 *
 * All memory belongs to the caller. Nothing here allocates, throws, locks, prints or opens a file; of the C
 * library only memory and maths functions are used. The model is a flat image (`seehear export MODEL -o
 * model.bin` or `-o model.c`), read in place, from flash. Its networks run on the core's own int8 kernels
 * unless seehear_set_invoke names another function.
 *
 *   #include "model.h"                                           // written by `seehear export`, with model.c
 *   static uint64_t memory[SEEHEAR_MODEL_MEMORY / 8];
 *   seehear_error error;
 *   seehear_t* s = seehear_init(seehear_model, sizeof seehear_model, memory, sizeof memory, &error);
 *   if (s == NULL) fail(error.text);
 *   for (;;) {
 *     read_microphone(block, seehear_hop(s));
 *     seehear_process(s, block, block);
 *     write_speaker(block, seehear_hop(s));
 *   } */
/* clang-format off */
/* Who may call what, from a thread or an interrupt (names without seehear_). Nothing here waits for anything.
 *
 * | caller                                | calls                                                                   |
 * |---------------------------------------|-------------------------------------------------------------------------|
 * | one for the sound                     | process, process_int16, flush, reset, mask, set_invoke, all of a stream |
 * | the same, from inside an invoke       | run_int8, tensor                                                        |
 * | one for the images, beside the sound  | see                                                                     |
 * | any, beside both                      | now, face_state, agreement, counter, set_strength, set_floor_db,        |
 * |                                       | set_visual_delay_ms, rate, hop, latency, bands, has_vision, used_memory,|
 * |                                       | needed_memory, counter_count, counter_name, graph_count, graph_name     |
 * | one, before all others                | init, stream_init; each may run beside those of other memories          |
 *
 * process, flush and streams compute with denormal numbers as zero where the processor can. The caller's way is back
 * when they return; while an invoke runs they are as C has them. */
/* clang-format on */
#ifndef SEEHEAR_C_API_H_
#define SEEHEAR_C_API_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct seehear_handle seehear_t; /* opaque */

typedef struct {
  char text[192]; /* one sentence: what was expected, what came */
} seehear_error;

/* Runs graph number `graph` on its tensors (seehear_tensor): 0 = done. Anything else counts as a failure: a
 * hop whose audio net fails passes through unchanged, one whose lip or gate net fails is enhanced by sound
 * alone. */
typedef int (*seehear_invoke)(void* context, int graph);

enum {
  SEEHEAR_LANDMARKS = 50,      /* points per image, x and y each */
  SEEHEAR_MEMORY_ALIGNMENT = 8 /* of the memory given to seehear_init */
};

/* --- life
 * ------------------------------------------------------------------------------------------------------------
 */

/* Bytes of memory that seehear_init needs for this model: enough on every machine, a few per cent less on a
 * 32-bit one. 0 if the model is not valid (seehear_init says why). model: aligned to 4 bytes. */
size_t seehear_needed_memory(const void* model, size_t model_size);

/* Makes everything ready in the caller's memory (aligned to 8 bytes); afterwards nothing can fail for a
 * reason of configuration. model and memory must stay as long as the handle is used; there is nothing to
 * free. NULL on failure, with the reason in `error` (may be NULL). */
seehear_t* seehear_init(const void* model, size_t model_size, void* memory, size_t memory_size,
                        seehear_error* error);

/* Bytes of the memory that are really in use. */
size_t seehear_used_memory(const seehear_t* s);

/* Forgets all sound, images and counters; settings stay. */
void seehear_reset(seehear_t* s);

/* --- sound
 * -----------------------------------------------------------------------------------------------------------
 */

int seehear_rate(const seehear_t* s);    /* Hz */
int seehear_hop(const seehear_t* s);     /* samples per call of seehear_process */
int seehear_latency(const seehear_t* s); /* samples from in to out */
int seehear_bands(const seehear_t* s);   /* of seehear_mask */

/* One hop in, one hop out; the buffers may be the same. Full scale is 1; NaN counts as 0, beyond +-4 is
 * clamped. */
void seehear_process(seehear_t* s, const float* in, float* out);

/* The same for 16-bit samples, saturating. */
void seehear_process_int16(seehear_t* s, const int16_t* in, int16_t* out);

/* The last seehear_latency() samples, at the end of the sound; then reset. */
void seehear_flush(seehear_t* s, float* out);

/* Seconds of sound processed since reset. */
double seehear_now(const seehear_t* s);

/* Mask of the last hop, seehear_bands() values from 0 to 1, before floor and strength. */
const float* seehear_mask(const seehear_t* s);

/* --- sound in blocks of any size at any rate
 * -----------------------------------------------------------------------------------------------------------
 */

/* A stream frames and resamples around a handle, in memory of its own; those who take whole hops at
 * seehear_rate() need none. From seehear_stream_init on, the stream alone calls process, flush and reset of
 * its handle. */
typedef struct seehear_stream_handle seehear_stream_t; /* opaque */

/* Bytes that seehear_stream_init needs at a rate (Hz) on this machine: least at seehear_rate(), and many
 * times as much at rates such as 44100, whose filter has a row for every phase. 0 for a rate out of range:
 * 8000 to 48000. */
size_t seehear_stream_needed_memory(const seehear_t* s, int rate);

/* As seehear_init: memory aligned to 8 bytes, to stay as long as the stream is used. Resets the handle. */
seehear_stream_t* seehear_stream_init(seehear_t* s, int rate, void* memory, size_t memory_size,
                                      seehear_error* error);

int seehear_stream_latency(const seehear_stream_t* stream); /* samples at its rate, exact */

/* `count` samples in, as many out; the buffers may be the same. The result does not depend on how the sound
 * is cut. */
void seehear_stream_process(seehear_stream_t* stream, const float* in, int count, float* out);
void seehear_stream_process_int16(seehear_stream_t* stream, const int16_t* in, int count, int16_t* out);

/* The last seehear_stream_latency() samples, at the end of the sound; then reset. */
void seehear_stream_flush(seehear_stream_t* stream, float* out);
void seehear_stream_flush_int16(seehear_stream_t* stream, int16_t* out);

/* Forgets all sound, of the handle too. */
void seehear_stream_reset(seehear_stream_t* stream);

/* --- images
 * ----------------------------------------------------------------------------------------------------------
 */

int seehear_has_vision(const seehear_t* s);

/* The number that each landmark has in the 468-point face mesh. */
extern const uint16_t seehear_landmark_mesh[SEEHEAR_LANDMARKS];

/* Hands in the landmarks of one image: 100 values x0, y0, x1, ... in the order of seehear_landmark_mesh, in
 * pixels, or NULL for no face. t: seconds on the sample clock (0 = first sample after reset). 0 if it was
 * refused: queue full, or t not finite or more than 1 s from seehear_now(). */
int seehear_see(seehear_t* s, const float* landmarks, double t);

/* "none", "seen", "no_face", "frozen" or "late". */
const char* seehear_face_state(const seehear_t* s);

/* How well the lips and the sound of the last seconds go together, -1 to 1: a correlation, 0 in the first
 * second of a face and without one. 0.4 or more after 10 s: the picture very likely belongs to the sound;
 * below 0.1 after 5 s: it does not. */
float seehear_agreement(const seehear_t* s);

/* --- settings: 0 if out of range, and nothing changes
 * ------------------------------------------------------------------ */

int seehear_set_strength(seehear_t* s, float strength); /* 0 (sound untouched) to 1 (default) */
int seehear_set_floor_db(seehear_t* s, float floor_db); /* least gain, -80 to 0 */
int seehear_set_visual_delay_ms(seehear_t* s,
                                float delay_ms); /* age of images when they are used, 0 to 500 */

/* --- counters since reset
 * ---------------------------------------------------------------------------------------------- */

int seehear_counter_count(void);
const char* seehear_counter_name(int index); /* "hops", "clamped_samples", ...; NULL beyond the last */
uint32_t seehear_counter(const seehear_t* s, const char* name); /* 0 for a name there is not */

/* --- graphs, for those who bring an accelerator
 * -------------------------------------------------------------------------- */

/* Has the graphs run by `invoke` instead of the core's kernels; NULL brings those back. */
void seehear_set_invoke(seehear_t* s, seehear_invoke invoke, void* context);

/* Runs one graph on the core's kernels: for an invoke that takes only some graphs elsewhere. 0 = done. */
int seehear_run_int8(seehear_t* s, int graph);

int seehear_graph_count(const seehear_t* s);
const char* seehear_graph_name(const seehear_t* s, int graph); /* NULL beyond the last */

/* Memory of an input or output tensor ("x", "h", "gx", ...), NULL if there is none of that name. *size: its
 * int8 values. */
int8_t* seehear_tensor(seehear_t* s, int graph, const char* tensor, int* size);

#ifdef __cplusplus
}
#endif

#endif /* SEEHEAR_C_API_H_ */
