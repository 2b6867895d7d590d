-- Copyright: (c) 2026, jetson.thor contributors
-- SPDX-License-Identifier: Apache-2.0
--
-- What the engine's answer says about itself: when it began, and how many tokens it counted.

local TAIL_BYTES = 4096 -- engines write their usage at the end: in the last object, or in the last events of a stream

local _M = {}

-- Watches a piece of the answer on its way.
function _M.watch(piece)
    local context = ngx.ctx
    if piece == "" or not context.is_watched then return end
    if not context.answer_tail then
        ngx.update_time()
        ngx.var.gateway_first_byte = string.format("%.3f", ngx.now() - ngx.req.start_time())
        context.answer_tail = ""
    end
    context.answer_tail = #piece >= TAIL_BYTES and piece:sub(-TAIL_BYTES) or (context.answer_tail .. piece):sub(-TAIL_BYTES)
end

-- The number behind one of two keys: OpenAI's completions have other names than its responses and Anthropic's messages.
local function number(usage, one, other)
    return tonumber(usage:match('"' .. one .. '"%s*:%s*(%d+)') or usage:match('"' .. other .. '"%s*:%s*(%d+)'))
end

-- The tokens of prompt and answer; nil where the answer does not say. A text inside the answer cannot be taken for them, because its
-- quotes have backslashes.
function _M.tokens()
    local tail = ngx.ctx.answer_tail
    -- Anchored: without the ^, Lua would try again from every byte.
    local usage = tail and tail:match '^.*"usage"%s*:%s*(%b{})'
    if not usage then return nil, nil end
    return number(usage, "prompt_tokens", "input_tokens"), number(usage, "completion_tokens", "output_tokens")
end

return _M
