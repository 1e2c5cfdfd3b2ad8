# The memory of a call: one piece for all its arrays, and a struct of scratch for each of its threads. Whatever is in it
# begins on a cache line, so that no two threads write to one.


cdef class _Memory:
    """Memory, freed with this object: whatever a kernel raises or returns."""
    cdef char *start

    def __dealloc__(self):
        free(self.start)


cdef _Memory memory_for(Py_ssize_t n, size_t size, str purpose):
    """n pieces of size bytes, whole cache lines, with arbitrary contents."""
    cdef _Memory memory = _Memory()
    if DEBUG_CHECKS:
        check(size % LINE == 0, "pieces of whole cache lines")
    memory.start = <char *> aligned_memory(<size_t> n * size)
    if memory.start == NULL:
        raise MemoryError(f"no memory for the scratch space of {purpose}")
    return memory


cdef inline size_t whole_lines(size_t bytes_) noexcept nogil:
    return (bytes_ + LINE - 1) // LINE * LINE


# Arrays whose lengths are known only at run time are laid out twice by the same function: in an arena that starts
# nowhere, which adds up what they need, then in one that starts where there is so much.
cdef struct Arena:
    char *start
    size_t used


cdef void *place_for(Arena *arena, Py_ssize_t n, size_t size) noexcept nogil:
    """The place of the next n elements of size bytes."""
    cdef char *place = arena.start + arena.used
    arena.used += whole_lines(<size_t> n * size)
    return place
