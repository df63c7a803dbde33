// The room ProviderProtocol.
