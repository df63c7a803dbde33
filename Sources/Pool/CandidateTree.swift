import Primitives

/// Who takes the next request of a model, in time that does not grow with the pool.
///
/// One search tree per model, kept in balance by random priorities (a treap), with one node per entry, ordered by
/// context window. Each node also keeps the best candidate of its subtree for every order in which requests may be
/// routed (docs/protocol.md 8). So:
///
/// - a slot taken or given back changes keys, never the shape: the winners on the way to the root are compared anew,
///   O(log n), and mostly the walk ends after a step or two;
/// - a query for the best candidate with at least so much context reads the winners of O(log n) subtrees;
/// - an entry that cannot serve stays in place and wins nothing.
///
/// Nodes are numbered like the entries of the pool; the roots belong to the models.
struct CandidateTree: Sendable {
    static let none = UInt32.max

    enum Eligibility: UInt8, Sendable {
        case ineligible
        case eligible
        /// Could serve, were its quota of the hour not used up.
        case overQuota
    }

    /// What the orders compare.
    struct Key: Equatable, Sendable {
        var maxContextTokens = 0
        var weightedThroughput = 0.0
        var modelParamsB = 0.0
        var freeSlots = 0
        var eligibility = Eligibility.ineligible
        /// Of ``Eligibility/overQuota``: when the quota begins anew.
        var quotaReset = MonotonicInstant.distantFuture
        /// Rises with every admission: the last tie, the earlier `connected_at`.
        var sequence: UInt64 = 0
    }

    /// The best of a subtree for each order; ``none`` where nobody qualifies.
    private struct Winners: Equatable {
        var pack = CandidateTree.none
        var fast = CandidateTree.none
        var accurate = CandidateTree.none
        var soonestQuota = CandidateTree.none

        @inline(__always) func contains(_ index: UInt32) -> Bool {
            pack == index || fast == index || accurate == index || soonestQuota == index
        }
    }

    private struct Node {
        var key = Key()
        var left = CandidateTree.none
        var right = CandidateTree.none
        var parent = CandidateTree.none
        var priority: UInt32 = 0
        var winners = Winners()
    }

    enum Order: UInt8, Sendable {
        case pack, fast, accurate, soonestQuota
    }

    private var nodes: ContiguousArray<Node> = []

    func key(_ index: UInt32) -> Key { nodes[Int(index)].key }

    // MARK: Changes

    /// Adds the node `index`, which is in no tree.
    mutating func insert(_ index: UInt32, _ key: Key, root: inout UInt32) {
        while nodes.count <= Int(index) { nodes.append(Node()) }
        nodes[Int(index)] = Node(key: key, priority: Self.priority(key.sequence))
        guard root != Self.none else {
            root = index
            refresh(index)
            return
        }
        var parent = root
        while true {
            let goesLeft = precedes(index, parent)
            let child = goesLeft ? nodes[Int(parent)].left : nodes[Int(parent)].right
            if child == Self.none {
                if goesLeft { nodes[Int(parent)].left = index } else { nodes[Int(parent)].right = index }
                nodes[Int(index)].parent = parent
                break
            }
            parent = child
        }
        while true {
            let parent = nodes[Int(index)].parent
            guard parent != Self.none, nodes[Int(parent)].priority < nodes[Int(index)].priority else { break }
            rotateUp(index, root: &root)
        }
        refreshUpwards(from: index)
    }

    mutating func remove(_ index: UInt32, root: inout UInt32) {
        while true {
            let node = nodes[Int(index)]
            if node.left == Self.none && node.right == Self.none { break }
            let rises: UInt32
            if node.left == Self.none {
                rises = node.right
            } else if node.right == Self.none {
                rises = node.left
            } else {
                rises = nodes[Int(node.left)].priority > nodes[Int(node.right)].priority ? node.left : node.right
            }
            rotateUp(rises, root: &root)
        }
        let parent = nodes[Int(index)].parent
        nodes[Int(index)].parent = Self.none
        if parent == Self.none {
            root = Self.none
        } else {
            if nodes[Int(parent)].left == index {
                nodes[Int(parent)].left = Self.none
            } else {
                nodes[Int(parent)].right = Self.none
            }
            refreshUpwards(from: parent)
        }
        nodes[Int(index)] = Node()
    }

    /// New facts about a node whose context window and sequence are the same as before.
    mutating func update(_ index: UInt32, _ key: Key) {
        guard nodes[Int(index)].key != key else { return }
        nodes[Int(index)].key = key
        var current = index
        while current != Self.none {
            let before = nodes[Int(current)].winners
            refresh(current)
            let after = nodes[Int(current)].winners
            // Ancestors compare winners only: with the same ones, and this node not among them, nothing changes there.
            if before == after && !after.contains(index) { return }
            current = nodes[Int(current)].parent
        }
    }

    // MARK: Queries

    /// The best candidate with at least `minimumContext` tokens that is not in `excluded`.
    func best(_ order: Order, root: UInt32, minimumContext: Int, excluding excluded: [UInt32]) -> UInt32 {
        var best = Self.none
        var current = root
        // Larger windows stand to the left, so those that suffice are a prefix.
        while current != Self.none {
            if nodes[Int(current)].key.maxContextTokens >= minimumContext {
                best = better(best, whole(nodes[Int(current)].left, order, excluded), order)
                if qualifies(current, order) && !excluded.contains(current) { best = better(best, current, order) }
                current = nodes[Int(current)].right
            } else {
                current = nodes[Int(current)].left
            }
        }
        return best
    }

    /// Opens a subtree only where an excluded node has won it.
    private func whole(_ index: UInt32, _ order: Order, _ excluded: [UInt32]) -> UInt32 {
        guard index != Self.none else { return Self.none }
        let winner = winner(index, order)
        if winner == Self.none || !excluded.contains(winner) { return winner }
        var best = better(
            whole(nodes[Int(index)].left, order, excluded), whole(nodes[Int(index)].right, order, excluded), order)
        if qualifies(index, order) && !excluded.contains(index) { best = better(best, index, order) }
        return best
    }

    // MARK: Orders

    @inline(__always) private func qualifies(_ index: UInt32, _ order: Order) -> Bool {
        nodes[Int(index)].key.eligibility == (order == .soonestQuota ? .overQuota : .eligible)
    }

    @inline(__always) private func winner(_ index: UInt32, _ order: Order) -> UInt32 {
        switch order {
        case .pack: nodes[Int(index)].winners.pack
        case .fast: nodes[Int(index)].winners.fast
        case .accurate: nodes[Int(index)].winners.accurate
        case .soonestQuota: nodes[Int(index)].winners.soonestQuota
        }
    }

    @inline(__always) private func better(_ first: UInt32, _ second: UInt32, _ order: Order) -> UInt32 {
        if first == second || second == Self.none { return first }
        if first == Self.none { return second }
        return Self.isBetter(nodes[Int(second)].key, nodes[Int(first)].key, order) ? second : first
    }

    /// Strict and total, since sequences differ.
    @inline(__always) static func isBetter(_ first: Key, _ second: Key, _ order: Order) -> Bool {
        switch order {
        case .pack:
            if first.freeSlots != second.freeSlots { return first.freeSlots < second.freeSlots }
            if first.weightedThroughput != second.weightedThroughput {
                return first.weightedThroughput > second.weightedThroughput
            }
        case .fast:
            if first.weightedThroughput != second.weightedThroughput {
                return first.weightedThroughput > second.weightedThroughput
            }
            if first.freeSlots != second.freeSlots { return first.freeSlots < second.freeSlots }
        case .accurate:
            if first.modelParamsB != second.modelParamsB { return first.modelParamsB > second.modelParamsB }
            if first.freeSlots != second.freeSlots { return first.freeSlots < second.freeSlots }
        case .soonestQuota:
            if first.quotaReset != second.quotaReset { return first.quotaReset < second.quotaReset }
        }
        return first.sequence < second.sequence
    }

    // MARK: Shape

    private func precedes(_ first: UInt32, _ second: UInt32) -> Bool {
        let (left, right) = (nodes[Int(first)].key, nodes[Int(second)].key)
        if left.maxContextTokens != right.maxContextTokens { return left.maxContextTokens > right.maxContextTokens }
        return left.sequence < right.sequence
    }

    private mutating func refreshUpwards(from start: UInt32) {
        var current = start
        while current != Self.none {
            refresh(current)
            current = nodes[Int(current)].parent
        }
    }

    private mutating func refresh(_ index: UInt32) {
        let node = nodes[Int(index)]
        let left = node.left == Self.none ? Winners() : nodes[Int(node.left)].winners
        let right = node.right == Self.none ? Winners() : nodes[Int(node.right)].winners
        let own = node.key.eligibility == .eligible ? index : Self.none
        let ownOverQuota = node.key.eligibility == .overQuota ? index : Self.none
        nodes[Int(index)].winners = Winners(
            pack: better(better(own, left.pack, .pack), right.pack, .pack),
            fast: better(better(own, left.fast, .fast), right.fast, .fast),
            accurate: better(better(own, left.accurate, .accurate), right.accurate, .accurate),
            soonestQuota: better(
                better(ownOverQuota, left.soonestQuota, .soonestQuota), right.soonestQuota, .soonestQuota))
    }

    /// Puts `index` in the place of its parent, and the parent below it.
    private mutating func rotateUp(_ index: UInt32, root: inout UInt32) {
        let parent = nodes[Int(index)].parent
        let grandparent = nodes[Int(parent)].parent
        let moved: UInt32
        if nodes[Int(parent)].left == index {
            moved = nodes[Int(index)].right
            nodes[Int(parent)].left = moved
            nodes[Int(index)].right = parent
        } else {
            moved = nodes[Int(index)].left
            nodes[Int(parent)].right = moved
            nodes[Int(index)].left = parent
        }
        if moved != Self.none { nodes[Int(moved)].parent = parent }
        nodes[Int(parent)].parent = index
        nodes[Int(index)].parent = grandparent
        if grandparent == Self.none {
            root = index
        } else if nodes[Int(grandparent)].left == parent {
            nodes[Int(grandparent)].left = index
        } else {
            nodes[Int(grandparent)].right = index
        }
        refresh(parent)
        refresh(index)
    }

    /// Spreads the sequence over 32 bits. Nobody outside chooses it, so it needs no secret.
    private static func priority(_ sequence: UInt64) -> UInt32 {
        var random = SeededRandom(seed: sequence)
        return UInt32(truncatingIfNeeded: random.next())
    }
}
