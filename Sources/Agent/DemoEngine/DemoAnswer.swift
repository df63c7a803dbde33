import Primitives

/// One answer of the demo model, word by word.
struct DemoAnswer {
    enum FinishReason: Equatable {
        case stop, length

        var text: StaticString { self == .stop ? "stop" : "length" }
    }

    enum Step: Equatable {
        /// The next text; it may be empty while a stop sequence is undecided.
        case text([UInt8])
        /// The last text and why it is the last.
        case last([UInt8], FinishReason)
    }

    /// The model ends with a sentence when its answer is at least this long.
    static let leastTokenCounts = 30...80
    private static let introduction = "I am \(DemoEngine.modelID), a toy model that strings words together."

    private let model: DemoModel
    private let temperature: Double
    private let maxTokenCount: Int
    private let leastTokenCount: Int
    private var random: SeededRandom
    private var stops: StopMatcher
    /// Tokens chosen in advance: the introduction and the opening.
    private var planned: [String]
    private var opening: [DemoModel.Token]
    private var before = DemoModel.boundary
    private var last = DemoModel.boundary
    private(set) var tokenCount = 0

    init(_ request: DemoRequest, model: DemoModel, seed: UInt64) {
        self.model = model
        temperature = request.temperature
        maxTokenCount = request.maxTokenCount
        random = SeededRandom(seed: seed)
        stops = StopMatcher(stops: request.stops)
        planned = []
        opening = model.opening(for: request.question, isGreedy: request.temperature == 0, random: &random)
        leastTokenCount =
            request.temperature == 0
            ? Self.leastTokenCounts.lowerBound : Int.random(in: Self.leastTokenCounts, using: &random)
        var words: [String] = []
        withByteView(Self.introduction) { text in DemoTokenizer.forEachToken(text) { words.append($0.string) } }
        planned = words.reversed()
        opening.reverse()
    }

    mutating func next() -> Step {
        var endsSentence = false
        let text: String
        let isMark: Bool
        if let word = planned.popLast() {
            text = word
            isMark = word.utf8.first.map { DemoTokenizer.isMark($0) } ?? false
        } else {
            let token =
                opening.popLast()
                ?? model.next(before: before, last: last, temperature: temperature, random: &random)
            before = last
            last = token
            text = model.text(token)
            isMark = model.isMark(token)
            endsSentence = model.endsSentence(token)
        }
        let piece = Array((tokenCount == 0 || isMark ? text : " " + text).utf8)
        tokenCount += 1
        switch stops.append(piece) {
        case .stop(let shown):
            return .last(shown, .stop)
        case .show(let shown):
            if endsSentence && tokenCount >= leastTokenCount { return .last(shown + stops.finish(), .stop) }
            if tokenCount >= maxTokenCount { return .last(shown + stops.finish(), .length) }
            return .text(shown)
        }
    }
}
