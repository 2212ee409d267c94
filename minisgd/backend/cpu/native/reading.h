/* From the tuples that Python passes to calls. Everything is checked here: dtypes, alignment, and that no call leaves the
 * memory of its arrays. Every function returns 0, or -1 with an exception set.
 */
static int refuse(const char *why) {
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

/* Keep an object, once: of a view what owns its memory, at the end of its chain of bases. */
static int keep(PyObject *kept, PyObject *object) {
    PyObject *base;
    int failed = 0;
    Py_INCREF(object);
    while ((base = PyObject_GetAttrString(object, "base")) && base != Py_None) {
        Py_DECREF(object);
        object = base;
    }
    Py_XDECREF(base);
    PyErr_Clear(); /* what has no base owns itself */
    Py_ssize_t k = PyList_GET_SIZE(kept);
    while (k > 0 && PyList_GET_ITEM(kept, k - 1) != object) k--;
    if (k == 0) failed = PyList_Append(kept, object);
    Py_DECREF(object);
    return failed;
}

/* Read a tuple of at most `most` integers; return how many, or -1. */
static int read_integers(PyObject *tuple, npy_intp *out, Py_ssize_t most) {
    if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) > most) return refuse("expected a short tuple of integers");
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(tuple); k++) {
        out[k] = PyLong_AsSsize_t(PyTuple_GET_ITEM(tuple, k));
        if (out[k] == -1 && PyErr_Occurred()) return -1;
    }
    return (int)PyTuple_GET_SIZE(tuple);
}

/* Add to the lowest and highest offset what an axis reaches. Doubles: no product of integers overflows. */
static void reach(double *low, double *high, npy_intp n, npy_intp stride) {
    double far = (double)(n - 1) * (double)stride;
    *(far < 0 ? low : high) += far;
}

static PyArrayObject *array_at(PyObject *arrays, int k) { return (PyArrayObject *)PyTuple_GET_ITEM(arrays, k); }
static int type_of(PyObject *arrays, int k) { return PyArray_TYPE(array_at(arrays, k)); }

/* Refuse an argument that would leave the memory of its array: at every position it reaches from low to high, and has
 * `bytes` there. */
static int check_reach(const Call *call, PyObject *arrays, int k, double low, double high, npy_intp bytes) {
    PyArrayObject *array = array_at(arrays, k);
    double least = 0, most = 0;
    for (int axis = 0; axis < call->axes; axis++) reach(&low, &high, call->shape[axis], call->strides[axis][k]);
    for (int axis = 0; axis < PyArray_NDIM(array); axis++) {
        if (PyArray_DIM(array, axis) == 0) return refuse("an array is empty");
        reach(&least, &most, PyArray_DIM(array, axis), PyArray_STRIDE(array, axis));
    }
    if (low < least || high + (double)bytes > most + (double)PyArray_ITEMSIZE(array))
        return refuse("a call reaches beyond the memory of its array");
    return 0;
}

/* The same of an argument that has n items of so many bytes, a step apart, at every position. */
static int check_items(const Call *call, PyObject *arrays, int k, npy_intp n, npy_intp step, npy_intp bytes) {
    double low = 0, high = 0;
    reach(&low, &high, n, step);
    return check_reach(call, arrays, k, low, high, bytes);
}

/* Read arrays, shape and strides of a call: the arguments of a loop, outermost axis first. */
static int read_walk(Call *call, PyObject *arrays, PyObject *shape, PyObject *strides, int outputs, PyObject *kept) {
    if (!PyTuple_Check(arrays) || !PyTuple_Check(strides)) return refuse("expected tuples of arrays and of strides");
    call->nargs = (int)PyTuple_GET_SIZE(arrays);
    call->outputs = outputs;
    if (call->nargs > ARGS || call->nargs <= outputs || PyTuple_GET_SIZE(strides) != call->nargs)
        return refuse("expected as many strides as arrays, and not more than a loop has");
    call->axes = read_integers(shape, call->shape, AXES);
    if (call->axes < 0) return -1;
    if (call->axes == 0) return refuse("expected at least one axis");
    for (int axis = 0; axis < call->axes; axis++)
        if (call->shape[axis] < 1) return refuse("expected axes of at least one element");
    for (int k = 0; k < call->nargs; k++) {
        npy_intp each[AXES];
        PyArrayObject *array = array_at(arrays, k);
        if (!PyArray_Check(array) || !PyArray_ISALIGNED(array) || !PyArray_ISNOTSWAPPED(array))
            return refuse("expected aligned arrays in native byte order");
        if (k >= call->nargs - outputs && !PyArray_ISWRITEABLE(array)) return refuse("the output is read-only");
        if (PyDataType_REFCHK(PyArray_DESCR(array))) return refuse("expected numbers, not objects");
        if (keep(kept, (PyObject *)array)) return -1;
        int n = read_integers(PyTuple_GET_ITEM(strides, k), each, AXES);
        if (n < 0) return -1;
        if (n != call->axes) return refuse("expected a stride for every axis");
        call->start[k] = PyArray_BYTES(array);
        for (int axis = 0; axis < n; axis++) {
            if (each[axis] % PyArray_DESCR(array)->alignment) return refuse("a stride breaks the alignment");
            call->strides[axis][k] = each[axis];
        }
    }
    for (int k = 0; k < call->nargs; k++) call->steps[k] = call->strides[call->axes - 1][k];
    call->joined = call->axes == 2;
    for (int k = 0; k < call->nargs; k++)
        call->joined &= call->strides[0][k] == call->shape[1] * call->strides[1][k];
    return 0;
}

/* The dtype of all arrays, float32 or float64, or -1 with an exception set. */
static int float_type(const Call *call, PyObject *arrays) {
    int type = type_of(arrays, 0);
    if (type != NPY_FLOAT && type != NPY_DOUBLE) return refuse("expected floats");
    for (int k = 1; k < call->nargs; k++)
        if (type_of(arrays, k) != type) return refuse("expected arrays of one dtype");
    return type;
}

/* Find the loop of a ufunc that has these dtypes. */
static int find_loop(const PyUFuncObject *ufunc, const npy_intp *wanted, Loop **loop, void **data) {
    for (int k = 0; k < ufunc->ntypes; k++) {
        int equal = 1;
        for (int arg = 0; arg < ufunc->nargs; arg++) equal &= ufunc->types[k * ufunc->nargs + arg] == wanted[arg];
        if (!equal) continue;
        *loop = ufunc->functions[k];
        *data = ufunc->data ? ufunc->data[k] : NULL;
        return 0;
    }
    return refuse("the ufunc has no loop for these dtypes");
}

/* Refuse core dimensions along which an argument of a ufunc would leave its array. */
static int check_core(const Call *call, const PyUFuncObject *ufunc, PyObject *arrays, int k) {
    double low = 0, high = 0;
    for (int d = 0; ufunc->core_enabled && d < ufunc->core_num_dims[k]; d++) {
        int place = ufunc->core_offsets[k] + d;
        npy_intp n = call->dims[1 + ufunc->core_dim_ixs[place]], step = call->steps[call->nargs + place];
        if (n < 1 || step % PyArray_DESCR(array_at(arrays, k))->alignment) return refuse("core dimensions do not fit");
        reach(&low, &high, n, step);
    }
    return check_reach(call, arrays, k, low, high, PyArray_ITEMSIZE(array_at(arrays, k)));
}

/* Where an argument of a ufunc has another dtype than its loop, find the cast that it goes through. */
static int read_cast(Call *call, PyObject *arrays, int k, int wanted) {
    int type = type_of(arrays, k), output = k >= call->nargs - call->outputs;
    if (type == wanted) return 0;
    PyArray_Descr *descr = PyArray_DescrFromType(wanted);
    if (!descr) return -1;
    call->width[k] = PyDataType_ELSIZE(descr);
    Py_DECREF(descr);
    call->cast[k] = output ? find_cast(wanted, type) : find_cast(type, wanted);
    call->own = 1;
    return call->cast[k] && call->width[k] <= WIDEST ? 0 : refuse("no such cast");
}

/* (ufunc, arrays, shape, strides, dtypes of the loop, core dimensions, core steps) */
static int read_ufunc(Call *call, PyObject *call_tuple, PyObject *kept) {
    PyUFuncObject *ufunc;
    PyObject *arrays, *shape, *strides, *types, *core, *core_steps;
    npy_intp wanted[ARGS];
    int dims = 0, steps = 0;
    if (!PyArg_ParseTuple(call_tuple, "OOOOOOO", &ufunc, &arrays, &shape, &strides, &types, &core, &core_steps)) return -1;
    if (keep(kept, (PyObject *)ufunc) || read_walk(call, arrays, shape, strides, ufunc->nout, kept)) return -1;
    if (call->nargs != ufunc->nargs || read_integers(types, wanted, ARGS) != ufunc->nargs)
        return PyErr_Occurred() ? -1 : refuse("expected an array and a dtype for every argument of the ufunc");
    if (find_loop(ufunc, wanted, &call->loop, &call->data)) return -1;
    if (ufunc->core_enabled) dims = ufunc->core_num_dim_ix;
    for (int k = 0; ufunc->core_enabled && k < ufunc->nargs; k++) steps += ufunc->core_num_dims[k];
    if (dims > CORE || read_integers(core, call->dims + 1, CORE) != dims)
        return PyErr_Occurred() ? -1 : refuse("expected the core dimensions of the ufunc");
    if (steps > CORE_STEPS || read_integers(core_steps, call->steps + call->nargs, CORE_STEPS) != steps)
        return PyErr_Occurred() ? -1 : refuse("expected the core steps of the ufunc");
    for (int k = 0; k < ufunc->nargs; k++)
        if (check_core(call, ufunc, arrays, k) || read_cast(call, arrays, k, (int)wanted[k])) return -1;
    if (call->own) {
        if (ufunc->core_enabled) return refuse("no such cast");
        call->inner = call->loop;
        call->inner_data = call->data;
        call->loop = with_casts;
    }
    return 0;
}

/* ("copy", (from, to), shape, strides) */
static int read_copy(Call *call, PyObject *arrays) {
    if (call->nargs != 2) return refuse("expected two arrays");
    int same = PyArray_EquivTypes(PyArray_DESCR(array_at(arrays, 0)), PyArray_DESCR(array_at(arrays, 1)));
    call->bytes = PyArray_ITEMSIZE(array_at(arrays, 1));
    call->own = 1;
    call->loop = same ? copy : find_cast(type_of(arrays, 0), type_of(arrays, 1));
    if (!call->loop) return refuse("no such cast");
    for (int k = 0; k < 2; k++)
        if (check_items(call, arrays, k, 1, 0, PyArray_ITEMSIZE(array_at(arrays, k)))) return -1;
    return 0;
}

/* ("take", (source, index, out), shape, strides, rows of the source, bytes of a row)
 * ("put_rows" or "add_rows", (source, index, out), shape, strides, rows of out, bytes of a row) */
static int read_indexed(Call *call, PyObject *arrays, npy_intp rows, npy_intp bytes, Loop *loop) {
    if (call->nargs != 3 || type_of(arrays, 1) != NPY_INT64) return refuse("expected source, int64 index and out");
    PyArrayObject *source = array_at(arrays, 0), *out = array_at(arrays, 2);
    int type = type_of(arrays, 0), named = loop == take ? 0 : 2; /* the array whose rows the index names */
    if (rows < 1 || bytes < 1 || !PyArray_EquivTypes(PyArray_DESCR(source), PyArray_DESCR(out)))
        return refuse("expected rows of one dtype");
    if (!loop && ((type != NPY_FLOAT && type != NPY_DOUBLE) || bytes % PyArray_ITEMSIZE(source)))
        return refuse("expected rows of floats");
    call->rows = rows, call->bytes = bytes, call->own = 1;
    call->loop = loop ? loop : type == NPY_FLOAT ? add_rows_float : add_rows_double;
    for (int k = 0; k < 3; k++)
        if (check_items(call, arrays, k, k == named ? rows : 1, bytes, k == 1 ? 8 : bytes)) return -1;
    return 0;
}

/* ("erf", (coefficients, from, to), shape, strides, how many coefficients) */
static int read_erf(Call *call, PyObject *arrays, npy_intp terms, PyObject *kept) {
    int type = float_type(call, arrays);
    if (type < 0) return -1;
    if (call->nargs != 3 || terms < 1) return refuse("expected three arrays of floats");
    for (int k = 0; k < 3; k++) {
        npy_intp size = PyArray_ITEMSIZE(array_at(arrays, k));
        if (call->steps[k] != (k ? size : 0)) return refuse("expected coefficients and contiguous vectors");
        if (check_items(call, arrays, k, k ? 1 : terms, size, size)) return -1;
    }
    PyObject *numpy = PyImport_ImportModule("numpy"), *exp = numpy ? PyObject_GetAttrString(numpy, "exp") : NULL;
    Py_XDECREF(numpy);
    if (!exp) return -1;
    npy_intp wanted[] = {type, type};
    int failed = keep(kept, exp) || find_loop((PyUFuncObject *)exp, wanted, &call->inner, &call->inner_data);
    Py_DECREF(exp);
    call->rows = terms, call->own = 1;
    call->loop = type == NPY_FLOAT ? erf_float : erf_double;
    return failed ? -1 : 0;
}

/* ("argmax", (from, to), shape, strides, length of the axis, its step) */
static int read_argmax(Call *call, PyObject *arrays, npy_intp length, npy_intp step) {
    if (call->nargs != 2 || type_of(arrays, 1) != NPY_INTP || length < 1) return refuse("expected an array and out");
    PyArrayObject *from = array_at(arrays, 0);
    call->loop = type_of(arrays, 0) == NPY_FLOAT ? argmax_float : type_of(arrays, 0) == NPY_DOUBLE ? argmax_double : NULL;
    if (!call->loop || step % PyArray_DESCR(from)->alignment) return refuse("expected floats");
    call->dims[1] = length, call->steps[2] = step;
    if (check_items(call, arrays, 0, length, step, PyArray_ITEMSIZE(from))) return -1;
    return check_items(call, arrays, 1, 1, 0, sizeof(npy_intp));
}

/* ("outer", (a, b, out), shape, strides, length of a row) */
static int read_outer(Call *call, PyObject *arrays, npy_intp length) {
    int type = float_type(call, arrays);
    if (type < 0) return -1;
    if (call->nargs != 3 || length < 1) return refuse("expected two arrays and out");
    call->loop = type == NPY_FLOAT ? outer_float : outer_double;
    call->dims[1] = length;
    npy_intp size = PyArray_ITEMSIZE(array_at(arrays, 0));
    for (int k = 0; k < 3; k++)
        if (check_items(call, arrays, k, k ? length : 1, size, size)) return -1;
    return 0;
}

/* (name of a fused loop, arrays, shape, strides): its arguments, and one more where s is to be written */
static int read_fused(Call *call, const char *name, PyObject *arrays) {
    size_t n = 0;
    while (n < FUSED_COUNT && strcmp(fused_loops[n].name, name)) n++;
    if (n == FUSED_COUNT)
        return refuse("expected \"copy\", \"take\", \"put_rows\", \"add_rows\", \"argmax\", \"outer\", \"erf\" or the name of a fused loop");
    int type = float_type(call, arrays), known = 0, numbers = 0, reads = 0;
    for (const char *at = fused_loops[n].arguments; (at = strchr(at, '(')); at++, known++) {
        numbers += at[-1] == 'R'; /* of NUMBER */
        reads += at[-1] == 'D';
    }
    int s_is_written = call->nargs == known + 1;
    if (type < 0) return -1;
    if (call->nargs != known && !s_is_written) return refuse("expected the arguments of the loop");
    for (int k = 0; k < call->nargs; k++) {
        npy_intp size = PyArray_ITEMSIZE(array_at(arrays, k));
        if (call->steps[k] != (k < numbers ? 0 : size)) return refuse("expected numbers and contiguous vectors");
        if (k >= numbers + reads && !PyArray_ISWRITEABLE(array_at(arrays, k))) return refuse("an output is read-only");
        if (check_items(call, arrays, k, 1, 0, size)) return -1;
    }
    call->loop = fused_loops[n].loops[s_is_written][type == NPY_DOUBLE];
    return 0;
}

static int read_call(Call *call, PyObject *item, PyObject *kept) {
    PyObject *arrays, *shape, *strides;
    const char *kind;
    npy_intp first = 0, second = 0;
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) < 2) return refuse("expected a tuple for every call");
    PyObject *head = PyTuple_GET_ITEM(item, 0);
    if (PyTuple_GET_SIZE(item) == 2) { /* (function, args): through Python */
        call->function = head, call->args = PyTuple_GET_ITEM(item, 1);
        if (!PyCallable_Check(head) || !PyTuple_Check(call->args))
            return refuse("expected a function and a tuple of its arguments");
        return PyList_Append(kept, item);
    }
    if (PyObject_TypeCheck(head, &PyUFunc_Type)) return read_ufunc(call, item, kept);
    if (!PyArg_ParseTuple(item, "sOOO|nn", &kind, &arrays, &shape, &strides, &first, &second)) return -1;
    if (read_walk(call, arrays, shape, strides, 1, kept)) return -1;
    if (!strcmp(kind, "copy")) return read_copy(call, arrays);
    if (!strcmp(kind, "take")) return read_indexed(call, arrays, first, second, take);
    if (!strcmp(kind, "put_rows")) return read_indexed(call, arrays, first, second, put_rows);
    if (!strcmp(kind, "add_rows")) return read_indexed(call, arrays, first, second, NULL);
    if (!strcmp(kind, "erf")) return read_erf(call, arrays, first, kept);
    if (!strcmp(kind, "argmax")) return read_argmax(call, arrays, first, second);
    if (!strcmp(kind, "outer")) return read_outer(call, arrays, first);
    return read_fused(call, kind, arrays);
}
