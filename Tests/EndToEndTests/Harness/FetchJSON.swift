import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// The JSON object at `url`, whatever the status.
func fetchJSON(_ url: String, bearer key: String? = nil) async throws -> [String: Any] {
    guard let url = URL(string: url) else { throw Timeout(message: "\(url) is no URL") }
    var request = URLRequest(url: url)
    if let key { request.setValue("Bearer \(key)", forHTTPHeaderField: "Authorization") }
    let (data, _) = try await URLSession.shared.data(for: request)
    guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
        throw Timeout(message: "no JSON object at \(url): \(String(decoding: data, as: UTF8.self))")
    }
    return object
}
