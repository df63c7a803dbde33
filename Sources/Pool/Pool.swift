// The room Pool.
