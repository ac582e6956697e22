// A delegate that behaves like an NPU's, or misbehaves in one chosen way. The runtime's structures are declared
// here by hand, as far as they are used: the test needs a C compiler and no headers.
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kOk = 0, kError = 1, kFloat32 = 1, kInt8 = 9, kFullyConnected = 9, kLogistic = 14, kMaxNodes = 8 };

typedef struct Context Context;
typedef struct Delegate Delegate;
typedef struct { int size; int data[]; } IntArray;
typedef struct { int size; float data[]; } FloatArray;
typedef struct { FloatArray* scale; IntArray* zero_point; int32_t dimension; } Affine;

typedef struct {
  int type;
  void* data;
  IntArray* dims;
  float scale;
  int32_t zero_point;
  int allocation_type;
  size_t bytes;
  const void* allocation;
  const char* name;
  Delegate* delegate;
  int buffer_handle;
  bool stale, variable;
  int quantization_type;
  Affine* affine;
  void* sparsity;
  const IntArray* signature;
} Tensor;

typedef struct { IntArray *inputs, *outputs, *intermediates, *temporaries; void* user_data; } Node;

typedef struct {
  void* (*init)(Context*, const char*, size_t);
  void (*free)(Context*, void*);
  int (*prepare)(Context*, Node*);
  int (*invoke)(Context*, Node*);
  void* profiling_string;
  int32_t builtin_code;
  const char* custom_name;
  int version;
  void *external, *async;
  uint64_t in_place;
} Registration;  // passed by value, which on 32-bit ARM needs its very size

struct Context {
  size_t tensors_size;
  int (*plan)(Context*, IntArray**);
  Tensor* tensors;
  void *impl, *resize;
  void (*report)(Context*, const char*, ...);
  void* add_tensors;
  int (*node)(Context*, int, Node**, Registration**);
  int (*replace)(Context*, Registration, const IntArray*, Delegate*);
};

typedef struct { Delegate* delegate; IntArray *nodes, *inputs, *outputs; } Partition;

struct Delegate {
  void* data;
  int (*prepare)(Context*, Delegate*);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void* spare[4];
};

// What goes wrong, and at which call of any graph (the first is 1); set by the options of the same names.
typedef struct { char fault[16]; int at, hang_ms, calls; } Plan;

typedef struct {
  Delegate* delegate;
  int count;
  int code[kMaxNodes], in[kMaxNodes][3], out[kMaxNodes];
  void* inside[kMaxNodes];  // results that never leave the delegate: the runtime has no memory for them
} Kernel;

static bool Is(const Plan* plan, const char* fault) { return strcmp(plan->fault, fault) == 0; }

static void Hang(void) {
  for (;;) pause();
}

// As a driver that waits for its device before anybody has called it.
__attribute__((constructor)) static void Load(void) {
  if (getenv("FAKE_NPU_HANGS") != NULL) Hang();
}

static int8_t Saturate(float value, int zero_point) {
  const long rounded = lrintf(fminf(fmaxf(value, -1e4f), 1e4f)) + zero_point;
  return (int8_t)(rounded < -128 ? -128 : rounded > 127 ? 127 : rounded);
}

static void FullyConnected(const Tensor* x, const Tensor* w, const Tensor* bias, Tensor* y) {
  const int outputs = w->dims->data[0], inputs = w->dims->data[1];
  for (int n = 0; n < outputs; ++n) {
    if (x->type == kFloat32) {
      float sum = bias != NULL ? ((const float*)bias->data)[n] : 0;
      for (int k = 0; k < inputs; ++k) sum += ((const float*)x->data)[k] * ((const float*)w->data)[n * inputs + k];
      ((float*)y->data)[n] = sum;
      continue;
    }
    int32_t sum = bias != NULL ? ((const int32_t*)bias->data)[n] : 0;
    for (int k = 0; k < inputs; ++k)
      sum += (((const int8_t*)x->data)[k] - x->zero_point) * ((const int8_t*)w->data)[n * inputs + k];
    const float w_scale = w->affine->scale->data[w->affine->scale->size > 1 ? n : 0];
    ((int8_t*)y->data)[n] = Saturate((float)sum * (x->scale * w_scale / y->scale), y->zero_point);
  }
}

static void Logistic(const Tensor* x, Tensor* y) {
  for (size_t n = 0; n < (y->type == kFloat32 ? y->bytes / 4 : y->bytes); ++n) {
    if (x->type == kFloat32) {
      ((float*)y->data)[n] = 1 / (1 + expf(-((const float*)x->data)[n]));
    } else {
      const float value = x->scale * (((const int8_t*)x->data)[n] - x->zero_point);
      ((int8_t*)y->data)[n] = Saturate(1 / (1 + expf(-value)) / y->scale, y->zero_point);
    }
  }
}

// Whether a value is near the end of what int8 holds, where a driver's own arithmetic may be too narrow.
static bool Large(const Tensor* x) {
  for (size_t n = 0; n < x->bytes; ++n)
    if (abs(((const int8_t*)x->data)[n]) > 100) return true;
  return false;
}

// A plausible answer that is wrong: neither constant nor at the limits.
static void Spoil(Tensor* y) {
  for (size_t n = 0; n < y->bytes; n += 4) ((int8_t*)y->data)[n] ^= 0x40;
}

static void* Init(Context* context, const char* buffer, size_t length) {
  (void)length;
  const Partition* partition = (const Partition*)buffer;
  Kernel* kernel = calloc(1, sizeof *kernel);
  kernel->delegate = partition->delegate;
  for (int i = 0; i < partition->nodes->size && i < kMaxNodes; ++i) {
    Node* node;
    Registration* registration;
    context->node(context, partition->nodes->data[i], &node, &registration);
    kernel->code[i] = registration->builtin_code;
    for (int k = 0; k < 3; ++k) kernel->in[i][k] = k < node->inputs->size ? node->inputs->data[k] : -1;
    kernel->out[i] = node->outputs->data[0];
    ++kernel->count;
  }
  return kernel;
}

static void Free(Context* context, void* kernel) {
  (void)context;
  for (int i = 0; i < kMaxNodes; ++i) free(((Kernel*)kernel)->inside[i]);
  free(kernel);
}

static int PrepareKernel(Context* context, Node* node) {
  const Plan* plan = ((Kernel*)node->user_data)->delegate->data;
  if (!Is(plan, "prepare")) return kOk;
  context->report(context, "fake NPU: no room in the command queue");
  return kError;
}

// Processor time that this library has spent on answers: what an NPU would do without the processor.
static double spent;

double fake_npu_seconds(void) { return spent; }

static double ThreadSeconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int Answer(Context* context, Node* node) {
  Kernel* kernel = node->user_data;
  Plan* plan = kernel->delegate->data;
  const bool now = ++plan->calls >= plan->at;
  if (now && Is(plan, "invoke")) {
    context->report(context, "fake NPU: bus error");
    return kError;
  }
  const bool once = plan->calls == plan->at;
  if ((once && Is(plan, "hang")) || (now && Is(plan, "slow"))) usleep(1000u * (unsigned)plan->hang_ms);
  for (int i = 0; i < kernel->count; ++i) {
    Tensor *t = context->tensors, *x = &t[kernel->in[i][0]], *y = &t[kernel->out[i]];
    if (y->data == NULL) y->data = kernel->inside[i] = calloc(1, y->bytes);
    if (now && Is(plan, "frozen")) continue;  // the answer of the last call once more
    if (now && Is(plan, "zero")) memset(y->data, 0, y->bytes);
    else if (now && Is(plan, "rails")) memset(y->data, 127, y->bytes);
    else if (now && Is(plan, "noise")) for (size_t n = 0; n < y->bytes; ++n) ((int8_t*)y->data)[n] = (int8_t)rand();
    else if (kernel->code[i] == kLogistic) Logistic(x, y);
    else FullyConnected(x, &t[kernel->in[i][1]], kernel->in[i][2] < 0 ? NULL : &t[kernel->in[i][2]], y);
    if ((once && Is(plan, "glitch")) || (now && Is(plan, "narrow") && kernel->code[i] != kLogistic && Large(x))) Spoil(y);
    if (now && Is(plan, "nan")) ((float*)y->data)[y->bytes / 8] = NAN;
    if (now && Is(plan, "range")) ((float*)y->data)[y->bytes / 8] = 1e30f;
  }
  return kOk;
}

static int Invoke(Context* context, Node* node) {
  const double begin = ThreadSeconds();
  const int status = Answer(context, node);
  spent += ThreadSeconds() - begin;
  return status;
}

static int Prepare(Context* context, Delegate* delegate) {
  if (Is(delegate->data, "hang_prepare")) Hang();
  if (Is(delegate->data, "crash")) abort();
  IntArray* plan;
  if (context->plan(context, &plan) != kOk) return kError;
  const size_t size = sizeof *plan + sizeof(int) * (size_t)plan->size;
  IntArray* nodes = memcpy(malloc(size), plan, size);
  nodes->size = 0;
  for (int i = 0; i < plan->size && !Is(delegate->data, "nothing"); ++i) {
    Node* node;
    Registration* registration;
    if (context->node(context, plan->data[i], &node, &registration) != kOk) return kError;
    const int code = registration->builtin_code;
    if (code == kFullyConnected || code == kLogistic) nodes->data[nodes->size++] = plan->data[i];
  }
  const Registration registration = {
      .init = Init, .free = Free, .prepare = PrepareKernel, .invoke = Invoke, .custom_name = "FakeNpu", .version = 1};
  const int status = context->replace(context, registration, nodes, delegate);
  free(nodes);
  return status;
}

Delegate* tflite_plugin_create_delegate(char** keys, char** values, size_t count, void (*report)(const char*)) {
  Plan* plan = calloc(1, sizeof *plan);
  for (size_t i = 0; i < count; ++i) {
    if (strcmp(keys[i], "fault") == 0) strncpy(plan->fault, values[i], sizeof plan->fault - 1);
    if (strcmp(keys[i], "at") == 0) plan->at = atoi(values[i]);
    if (strcmp(keys[i], "hang_ms") == 0) plan->hang_ms = atoi(values[i]);
  }
  if (Is(plan, "hang_create")) Hang();
  if (Is(plan, "create")) {
    report("fake NPU: no device");
    free(plan);
    return NULL;
  }
  Delegate* delegate = calloc(1, sizeof *delegate);
  delegate->data = plan;
  delegate->prepare = Prepare;
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate* delegate) {
  free(delegate->data);
  free(delegate);
}
