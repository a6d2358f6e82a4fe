-- Health of a TaskWorkerPool, by kstatus' rules and the condition Degraded, which is True whenever something must be done.
-- No library but Lua's base: Argo CD opens no other for scripts in argocd-cm.
local hs = {}

if obj.metadata.deletionTimestamp ~= nil then
  hs.status = "Progressing"
  hs.message = "Pending deletion"
  if obj.metadata.finalizers ~= nil and #obj.metadata.finalizers > 0 then
    hs.message = "Pending deletion; blocked by finalizers: " .. table.concat(obj.metadata.finalizers, ", ")
  end
  return hs
end

local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  hs.status = "Progressing"
  hs.message = "The operator has not read this spec yet"
  return hs
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local ready = conditions["Ready"]
local degraded = conditions["Degraded"]

if degraded ~= nil and degraded.status == "True" then
  hs.status = "Degraded"
  hs.message = degraded.message
elseif ready == nil or ready.status ~= "True" then
  hs.status = "Progressing"
  hs.message = ready ~= nil and ready.message or "The operator has not read this spec yet"
elseif obj.spec.suspend == true then
  hs.status = "Suspended"
  hs.message = ready.message
else
  hs.status = "Healthy"
  hs.message = ready.message
end
return hs
