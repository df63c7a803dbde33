// The room TestKit.
