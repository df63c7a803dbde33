import Agent

/// What to try next: each piece can be pasted as it stands, so nothing is indented.
enum DemoNextSteps {
    static func text(_ addresses: CoordinatorService.Addresses, operatorKey: String) -> String {
        let model = DemoEngine.modelID.description
        return """
            The endpoint stays up. In another terminal, ask:

            trunkline chat --url \(addresses.buyerURL) "Tell me more"

            The same with curl:

            curl -N \(addresses.buyerURL)/v1/chat/completions -H 'Content-Type: application/json' \\
              -d '{"model":"\(model)","stream":true,"messages":[{"role":"user","content":"Hello"}]}'

            And in Python (pip install openai):

            python3 -c '
            from openai import OpenAI
            client = OpenAI(base_url="\(addresses.buyerURL)/v1", api_key="none")
            question = [{"role": "user", "content": "Hello"}]
            for chunk in client.chat.completions.create(model="\(model)", messages=question, stream=True):
                if chunk.choices: print(chunk.choices[0].delta.content or "", end="", flush=True)
            '

            Lend an engine of this machine or another:

            trunkline provide --coordinator \(addresses.providerURL) --engine http://127.0.0.1:11434

            Watch the pool:

            export TRUNKLINE_OPERATOR_KEY=\(operatorKey)
            trunkline pool --watch --url \(addresses.operatorURL)

            Ctrl-C stops.

            """
    }
}
